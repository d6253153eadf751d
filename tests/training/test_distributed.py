"""Two processes on one machine (gloo) do what one does with the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]


def run(kind: str, encoder: Path, out: Path, processes: int) -> dict[str, torch.Tensor]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = [sys.executable, "-m", "tests.training.two_processes"]
    how = "--cpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no --num_cpu_threads_per_process 1"
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        *how.split(),
        "--main_process_port",
        str(port),
        "-m",
        "tests.training.two_processes",
    ]
    command = [*(launch if processes == 2 else alone), kind, str(encoder), str(out)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out)


@pytest.mark.parametrize("kind", ["rating", "retrieval", "rating-sharded", "retrieval-sharded"])
def test_two_processes_learn_what_one_does(tiny_encoder, tmp_path, kind):
    one, two = run(kind, tiny_encoder, tmp_path / "one", 1), run(kind, tiny_encoder, tmp_path / "two", 2)
    assert one.keys() == two.keys()
    start = load_file(tiny_encoder / "model.safetensors")
    moved = [n for n in one if n.startswith("encoder.bert.encoder.layer.1") and not torch.equal(one[n], start[n.removeprefix("encoder.bert.")])]
    assert moved
    for name in one:
        assert torch.allclose(one[name], two[name], atol=2e-6), name
