"""THE loop: what a kill, a cancellation, a full disk and a broken loss leave behind."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from training.configuration.fields import ConfigError
from training.configuration.tuning import TuningConfig
from training.encoders.bert import TextEncoder
from training.errors import TrainingError
from training.finetuning import resume_state
from training.finetuning.heads import Classifier
from training.finetuning.loop import blend, train, train_several
from training.finetuning.methods import TuningMethod, make_optimizer, schedule_of, trainable_share
from training.finetuning.resume_state import ResumableState, load_state, save_state
from training.finetuning.text_store import TextStore
from training.recipes.classification import LabelTask

CONFIG = TuningConfig(
    steps=12,
    batch_size=8,
    evaluate_every=4,
    patience=10,
    learning_rate=1e-3,
    frozen_layers=1,
    max_tokens=16,
)
WORDS = [
    "red",
    "blue",
    "small",
    "large",
    "vintage",
    "glass",
    "wooden",
    "spotted",
    "classic",
    "round",
]


def labelled(tiny_encoder, config: TuningConfig, cache=None) -> tuple[LabelTask, TuningMethod]:
    """Texts of two words; the first five words are one class, the others the other."""
    torch.manual_seed(3)
    encoder = TextEncoder.load(str(tiny_encoder), config.max_tokens, config.frozen_layers)
    tuned = TuningMethod(encoder, config)
    texts = [f"{a} {b} lantern" for a in WORDS for b in WORDS]
    target = np.array([i // 10 >= 5 for i in range(100)], dtype=np.int64)
    store = TextStore(encoder, texts, torch.device("cpu"), cache)
    rows = np.random.default_rng(0).permutation(100)
    return LabelTask(
        store, target, rows[:70], rows[70:], Classifier(encoder, 2, config.dropout), 7
    ), tuned


def weights(task) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in task.model.parameters()])


class Killed(Exception):
    pass


@pytest.mark.parametrize("method", ["all", "lora", "adalora", "adapters"])
@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "adafactor"])
def test_a_killed_run_that_goes_on_ends_like_an_unbroken_one(
    tiny_encoder, tmp_path, monkeypatch, method, optimiser
):
    monkeypatch.setattr(resume_state, "SAVE_SECONDS", 0)
    config = replace(CONFIG, train=method, optimiser=optimiser)
    whole, tuned = labelled(tiny_encoder, config)
    unbroken = train(whole, tuned, config, 7, ResumableState())

    broken, tuned = labelled(tiny_encoder, config)
    draw, calls = broken.draw, []

    def killed_at_seven(step, size, rng):
        calls.append(step)
        if step == 7:
            raise Killed
        return draw(step, size, rng)

    broken.draw = killed_at_seven
    with pytest.raises(Killed):
        train(broken, tuned, config, 7, ResumableState(tmp_path / "state", facts={"recipe": "x"}))
    again, tuned = labelled(tiny_encoder, config)
    steps = []
    draw = again.draw
    again.draw = lambda step, size, rng: steps.append(step) or draw(step, size, rng)
    resumed = train(
        again, tuned, config, 7, ResumableState(tmp_path / "state", True, {"recipe": "x"})
    )
    assert steps[0] == 7 and torch.equal(weights(again), weights(whole))
    assert (resumed.best, resumed.best_step, resumed.steps) == (
        unbroken.best,
        unbroken.best_step,
        unbroken.steps,
    )


def test_the_state_of_another_run_is_refused(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(resume_state, "SAVE_SECONDS", 0)
    task, tuned = labelled(tiny_encoder, CONFIG)
    train(task, tuned, CONFIG, 7, ResumableState(tmp_path / "state", facts={"data": "sha256:1"}))
    with pytest.raises(TrainingError, match="its data is 'sha256:1', not 'sha256:2'"):
        train(
            task, tuned, CONFIG, 7, ResumableState(tmp_path / "state", True, {"data": "sha256:2"})
        )


def test_a_loss_that_is_no_number_stops_and_says_where(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(resume_state, "SAVE_SECONDS", 0)
    task, tuned = labelled(tiny_encoder, CONFIG)
    collate = task.collate

    def broken_at_six(rows, rng):
        batch = collate(rows, rng)
        if task.step == 6:
            with torch.no_grad():
                task.model.head.weight.fill_(float("nan"))
        return batch

    draw = task.draw
    task.draw = lambda step, size, rng: setattr(task, "step", step) or draw(step, size, rng)
    task.collate = broken_at_six
    with pytest.raises(TrainingError, match="not a number at step 6"):
        train(task, tuned, CONFIG, 7, ResumableState(tmp_path / "state"))
    tensors, facts = load_state(tmp_path / "state")
    assert facts["step"] == 5 and all(t.isfinite().all() for t in tensors["weights"].values())


def test_a_broken_loss_leaves_the_state_of_the_step_before(tiny_encoder, tmp_path):
    task, tuned = labelled(tiny_encoder, CONFIG)
    real, calls = task.model.forward, []
    task.model.forward = lambda batch: (
        real(batch) * (float("nan") if calls.append(1) or len(calls) == 6 else 1.0)
    )
    with pytest.raises(TrainingError, match="last good state is kept"):
        train(task, tuned, CONFIG, 7, ResumableState(tmp_path / "state"))
    tensors, facts = load_state(tmp_path / "state")
    assert facts["step"] == 5 and all(t.isfinite().all() for t in tensors["weights"].values())


def test_a_full_disk_is_one_clear_error_and_keeps_the_last_state(tmp_path, monkeypatch):
    save_state(tmp_path / "state", {"weights": {"a": torch.ones(2)}}, {"step": 1})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.finetuning.resume_state.save_file", full)
    with pytest.raises(TrainingError, match="No space left on device"):
        save_state(tmp_path / "state", {"weights": {"a": torch.zeros(2)}}, {"step": 2})
    tensors, facts = load_state(tmp_path / "state")
    assert (
        facts["step"] == 1
        and tensors["weights"]["a"].tolist() == [1, 1]
        and not list(tmp_path.glob("*.part"))
    )


def test_nested_state_comes_back_as_it_was(tmp_path):
    nested = {
        "state": {0: {"step": torch.tensor(3.0), "m": torch.ones(2, 2)}},
        "groups": [{"lr": 0.1, "params": [0, 1]}, {"params": []}],
        "none": {},
    }
    save_state(tmp_path / "state", nested, {"a": [1, 2]})
    tensors, facts = load_state(tmp_path / "state")
    assert (
        tensors["groups"] == nested["groups"] and tensors["none"] == {} and facts == {"a": [1, 2]}
    )
    assert tensors["state"][0]["step"].item() == 3 and torch.equal(
        tensors["state"][0]["m"], torch.ones(2, 2)
    )


@pytest.mark.parametrize("method", ["all", "lora", "adalora", "adapters", "head"])
def test_every_way_of_training_learns_and_leaves_a_plain_encoder(tiny_encoder, tmp_path, method):
    config = replace(
        CONFIG,
        train=method,
        steps=120,
        evaluate_every=40,
        learning_rate=5e-3,
        head_learning_rate=5e-2,
        dropout=0.0,
    )
    task, tuned = labelled(tiny_encoder, config)
    share = trainable_share(task.model)
    outcome = train(task, tuned, config, 7, ResumableState())
    assert outcome.best > max(0.8, outcome.before)
    assert share < (0.9 if method == "all" else 0.4)
    encoder = tuned.finish()
    vectors = encoder.eval().encode(["red lantern", "round small lantern"])
    encoder.save(tmp_path / "encoder")
    loaded = TextEncoder.load(str(tmp_path / "encoder"), config.max_tokens)
    assert loaded.encode(["red lantern", "round small lantern"]) == pytest.approx(vectors, abs=1e-5)
    assert not [name for name, _ in loaded.named_parameters() if "lora" in name]


def test_accumulated_parts_are_the_whole_batch(tiny_encoder):
    ends = []
    for parts in (1, 4):
        config = replace(CONFIG, accumulate=parts, dropout=0.0, steps=3, evaluate_every=3)
        task, tuned = labelled(tiny_encoder, config)
        train(task, tuned, config, 7, ResumableState(), keep_last=True)
        ends.append(weights(task))
    assert torch.allclose(ends[0], ends[1], atol=1e-5)


def test_early_stopping_ends_with_the_best_weights(tiny_encoder):
    config = replace(CONFIG, patience=2, steps=40)
    task, tuned = labelled(tiny_encoder, config)
    values = iter([0.5, 0.7, 0.6, 0.6, 0.9])
    stored = []
    task.validate = lambda: stored.append(weights(task)) or next(values)
    outcome = train(task, tuned, config, 7, ResumableState())
    assert (outcome.best, outcome.best_step, outcome.steps) == (0.7, 4, 12) and torch.equal(
        weights(task), stored[1]
    )


def test_averaged_weights_are_the_mean_of_the_runs(tiny_encoder):
    config = replace(CONFIG, average_runs=2, steps=4)
    task, tuned = labelled(tiny_encoder, config)
    _, mean = train_several(task, tuned, config, 7, ResumableState())
    task, tuned = labelled(tiny_encoder, config)
    _, members = train_several(task, tuned, replace(config, average="scores"), 7, ResumableState())
    assert len(mean) == 1 and len(members) == 2
    assert not torch.equal(members[0]["head.weight"], members[1]["head.weight"])  # successive seeds
    assert torch.allclose(
        mean[0]["head.weight"], (members[0]["head.weight"] + members[1]["head.weight"]) / 2
    )


def test_the_mix_that_is_judged_is_the_mix_that_is_kept():
    model = torch.nn.Linear(1, 1, bias=False)
    task = SimpleNamespace(model=model, validate=lambda: -abs(model.weight.item() - 0.25))
    start = {"weight": torch.zeros(1, 1)}
    torch.nn.init.ones_(model.weight)
    assert blend(task, start, (0.0, 0.25, 1.0)) == 0.25
    assert model.weight.item() == 0.25


def test_adversarial_steps_raise_the_loss_that_is_learned_from(tiny_encoder):
    task, _ = labelled(tiny_encoder, CONFIG)
    task.model.eval()
    batch = task.collate(np.arange(8), np.random.default_rng(0))
    batch.texts.watch()
    clean = task.model(batch)
    clean.backward()
    batch.texts.perturb(0.5)
    assert task.model(batch).item() > clean.item()
    shift = torch.cat([s.flatten(1) for s in batch.texts.shift if len(s)][:1])
    assert shift.norm(dim=1).numpy() == pytest.approx(0.5, abs=1e-4)


def test_schedules_by_hand():
    linear = schedule_of(TuningConfig(steps=10, warmup_ratio=0.2))
    assert [linear(s) for s in (0, 1, 2, 6, 10)] == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0])
    cosine = schedule_of(TuningConfig(steps=10, warmup_ratio=0.2, schedule="cosine"))
    assert [cosine(s) for s in (2, 6, 10)] == pytest.approx([1.0, 0.5, 0.0])
    assert schedule_of(TuningConfig(steps=10, schedule="constant"))(9) == 1.0


def test_biases_and_norms_are_not_decayed(tiny_encoder):
    task, _ = labelled(tiny_encoder, replace(CONFIG, weight_decay=0.1))
    for group in make_optimizer(task.model, replace(CONFIG, weight_decay=0.1)).param_groups:
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])


def test_frozen_states_are_kept_on_disk_and_used_again(tiny_encoder, tmp_path, monkeypatch):
    first, _ = labelled(tiny_encoder, CONFIG, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    monkeypatch.setattr(TextStore, "_compute", lambda *_: pytest.fail("computed again"))
    again, _ = labelled(tiny_encoder, CONFIG, tmp_path)
    assert np.array_equal(first.store.states, again.store.states)


def test_dropout_spares_the_frozen_part(tiny_encoder):
    task, _ = labelled(tiny_encoder, replace(CONFIG, dropout=0.5))
    task.model.train()
    modes = {
        m.training
        for layer in task.model.encoder.layers[:1]
        for m in layer.modules()
        if isinstance(m, nn.Dropout)
    }
    assert modes == {False}


def test_tensorboard_and_wandb_files(tmp_path, monkeypatch):
    from training.runs.experiment_tracking import Tracking

    monkeypatch.setenv("VITRINE_WANDB", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracking = Tracking(tmp_path, "run", {"steps": 3})
    tracking.metric("text.loss", 1, 0.5)
    tracking.close()
    assert list((tmp_path / "tensorboard").glob("events.*")) and list(
        (tmp_path / "wandb").glob("offline-run-*")
    )
    monkeypatch.setenv("VITRINE_WANDB", "loudly")
    with pytest.raises(ConfigError, match="VITRINE_WANDB"):
        Tracking(tmp_path)
