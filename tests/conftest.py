"""Things that take a while, made once: a tiny shop's snapshot, a tiny encoder, a checkpoint trained on both."""

from pathlib import Path

import pytest

from tests import tinyshop

TINY = {"text.steps": 20, "text.evaluate_every": 10, "text.batch_size": 32, "text.frozen_layers": 1, "rounds": 30, "candidates_per_source": 20}


@pytest.fixture(scope="session")
def tiny_snapshot(tmp_path_factory) -> Path:
    return tinyshop.write(tmp_path_factory.mktemp("snapshot"))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    return tinyshop.write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def tiny_config(tiny_encoder):
    from training.config import make_config

    return make_config("fusion", {**TINY, "text.encoder": str(tiny_encoder)})


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory, tiny_snapshot, tiny_config) -> Path:
    from training.fit import fit
    from training.progress import Progress
    from training.snapshot import read_snapshot

    folder = tmp_path_factory.mktemp("fit")
    progress = Progress(folder / "progress.jsonl", quiet=True)
    fit(read_snapshot(tiny_snapshot), folder / "checkpoint", "fusion", tiny_config, progress)
    progress.close()
    return folder / "checkpoint"
