"""Two processes on one machine (gloo) do what one does with the whole batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.finetuning.two_processes import KINDS
from training.__main__ import main
from training.inference.checkpoint import verify_files

ROOT = Path(__file__).resolve().parents[3]


def launch(processes: int, module: str, *arguments: str) -> None:
    """By torch's own launcher: `accelerate launch --cpu` (1.15) starts one process when asked
    for two, without a word.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    how = [
        "--nproc_per_node",
        str(processes),
        "--master_addr",
        "127.0.0.1",
        "--master_port",
        str(port),
    ]
    several = ["-m", "torch.distributed.run", *how] if processes > 1 else []
    command = [sys.executable, *several, "-m", module, *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def learned(tiny_encoder, tmp_path_factory) -> dict[int, Path]:
    """Number of processes -> folder with the weights of each kind."""
    folders = {n: tmp_path_factory.mktemp(f"processes-{n}") for n in (1, 2)}
    for n, folder in folders.items():
        launch(n, "tests.training.finetuning.two_processes", str(tiny_encoder), str(folder))
    return folders


def test_so_many_processes_took_part_as_were_asked_for(learned):
    """Were there fewer, all that follows would compare one process with itself."""
    for n, folder in learned.items():
        written = [json.loads(path.read_text()) for path in sorted(folder.glob("process-*.json"))]
        assert [(one["rank"], one["of"]) for one in written] == [(rank, n) for rank in range(n)]
        assert [one["spread"] for one in written] == [2 if n > 1 else 0] * n, (
            "weights are spread where there are processes to spread them over"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_does(tiny_encoder, learned, kind):
    one, two = load_file(learned[1] / kind), load_file(learned[2] / kind)
    assert one.keys() == two.keys()
    start = load_file(tiny_encoder / "model.safetensors")
    moved = [
        n
        for n in one
        if n.startswith("encoder.bert.encoder.layer.1")
        and not torch.equal(one[n], start[n.removeprefix("encoder.bert.")])
    ]
    assert moved
    for name in one:
        assert torch.allclose(one[name], two[name], atol=2e-6), name


@pytest.mark.parametrize("spread", ["false", "true"])
def test_the_command_on_two_processes_leaves_one_whole_checkpoint(
    tiny_snapshot, tiny_encoder, tmp_path, spread
):
    fields = [
        f"text.encoder={tiny_encoder}",
        "text.steps=4",
        "text.epochs=0",
        "text.evaluate_every=2",
        "text.batch_size=8",
        "text.frozen_layers=1",
    ]
    fields += ["onnx=false", f"text.shard_weights={spread}", "text.dropout=0"]
    command = [
        "fit",
        str(tiny_snapshot),
        str(tmp_path / "out"),
        "--recipe",
        "topic",
        "--set",
        *fields,
    ]
    launch(2, "training", *command)
    verify_files(tmp_path / "out")
    progress_lines = [
        json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()
    ]
    points = [(line["metric"], line["step"]) for line in progress_lines if "metric" in line]
    assert points and len(points) == len(set(points)), "one process alone tells of progress"
    assert main([*command[:2], str(tmp_path / "alone"), *command[3:]]) == 0
    two, one = (load_file(tmp_path / name / "head.safetensors") for name in ("out", "alone"))
    assert torch.allclose(one["weight"], two["weight"], atol=1e-4)
