"""The mathematics, by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from training.finetuning.heads import Batch, Matching
from training.finetuning.losses import (
    class_loss,
    distillation_loss,
    in_batch_softmax,
    masked_word_loss,
    rating_loss,
)


def test_the_gradient_of_the_rating_loss_is_its_formula():
    """∂L/∂θ = 2/N Σ (r̂ − r) f(u,c)ᵀ for r̂ = θᵀ f(u,c), L = 1/N Σ (r̂ − r)²."""
    torch.manual_seed(0)
    features = torch.randn(20, 5, dtype=torch.float64)
    rating = torch.rand(20, dtype=torch.float64) * 5
    theta = torch.randn(5, dtype=torch.float64, requires_grad=True)
    rating_loss(features @ theta, rating).backward()
    formula = 2 / 20 * ((features @ theta.detach() - rating)[:, None] * features).sum(0)
    assert torch.allclose(theta.grad, formula, atol=1e-12)


def test_the_head_of_a_rating_model_has_that_gradient(tiny_encoder):
    from training.encoders.bert import TextEncoder
    from training.finetuning.heads import Batch, Regressor
    from training.finetuning.text_store import TextStore

    encoder = TextEncoder.load(str(tiny_encoder), 8, 1)
    store = TextStore(
        encoder, ["red lantern", "blue teapot", "small garden paper"], torch.device("cpu")
    )
    model, rating = Regressor(encoder, 0.0).eval(), torch.tensor([5.0, 1.0, 3.0])
    model(Batch(store.batch(np.arange(3)), rating, {})).backward()
    features = torch.from_numpy(store.vectors())
    error = features @ model.head.weight[0] + model.head.bias - rating
    assert torch.allclose(
        model.head.weight.grad[0], 2 / 3 * (error[:, None] * features).sum(0), atol=1e-4
    )


def test_rating_loss_by_hand():
    assert rating_loss(torch.tensor([1.0, 4.0]), torch.tensor([3.0, 4.0])).item() == 2.0


def test_cross_entropy_by_hand():
    logits = torch.tensor([[math.log(3.0), 0.0]])
    assert class_loss(logits, torch.tensor([0])).item() == pytest.approx(-math.log(0.75))
    smooth = class_loss(logits, torch.tensor([0]), 0.2).item()
    assert smooth == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


def test_only_asked_words_count():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    assert masked_word_loss(logits, torch.tensor([0, 1])).item() == pytest.approx(
        (math.log(2) - math.log(0.25)) / 2
    )
    assert masked_word_loss(logits[:0], torch.tensor([], dtype=torch.long)).item() == 0.0


def test_distillation_is_two_less_twice_the_cosine():
    a = nn.functional.normalize(torch.tensor([[1.0, 0.0], [3.0, 4.0]]), dim=1)
    b = torch.tensor([[0.0, 1.0], [0.6, 0.8]])
    assert distillation_loss(a, b).item() == pytest.approx(
        ((2 - 2 * 0) + (2 - 2 * 1)) / 2, abs=1e-6
    )


def test_hard_negatives_by_hand():
    query = positive = torch.eye(2)
    hard, hard_item = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]]), torch.tensor([[9], [8]])
    loss = in_batch_softmax(
        query, positive, torch.tensor([1, 2]), torch.zeros(2), 1.0, hard, hard_item
    )
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 2)))
    same = in_batch_softmax(
        query, positive, torch.tensor([1, 2]), torch.zeros(2), 1.0, hard, torch.tensor([[1], [2]])
    )
    assert same.item() == pytest.approx(-math.log(math.e / (math.e + 1)))


def test_the_correction_takes_popularity_off_and_the_temperature_divides_every_similarity():
    query = positive = torch.eye(2)
    popularity = torch.tensor([0.8, 0.2])
    hard, hard_item = torch.tensor([[[0.6, 0.8]], [[0.6, 0.8]]]), torch.tensor([[9], [9]])
    loss = in_batch_softmax(
        query, positive, torch.tensor([1, 2]), popularity.log(), 0.5, hard, hard_item
    )
    first = math.exp(2) / 0.8 / (math.exp(2) / 0.8 + 1 / 0.2 + math.exp(1.2))
    second = math.exp(2) / 0.2 / (1 / 0.8 + math.exp(2) / 0.2 + math.exp(1.6))
    assert loss.item() == pytest.approx(-(math.log(first) + math.log(second)) / 2, rel=1e-5)


def test_several_anchors_count_as_their_direction():
    """Their mean is shorter than one; in-batch softmax takes cosines."""
    vectors = nn.functional.normalize(
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), dim=1
    )
    extra = {
        "anchor": torch.tensor([[0, 1]]),
        "positive": torch.tensor([2]),
        "hard": torch.tensor([[3]]),
        "log_popularity": torch.zeros(1),
        "hard_item": torch.tensor([[8]]),
    }
    batch = Batch(SimpleNamespace(encode=lambda encoder: vectors), torch.tensor([5]), extra)
    right, wrong = math.exp(1.0), math.exp(math.sqrt(0.5))
    assert Matching(nn.Identity(), 1.0)(batch).item() == pytest.approx(
        -math.log(right / (right + wrong)), abs=1e-6
    )


def test_recent_pairs_are_drawn_oftener_and_the_correction_knows_it():
    from training.data.snapshot import DAY
    from training.finetuning.pairs import Pairs, Source, log_popularity

    n = np.arange(4)
    pairs = Pairs(
        n.astype(np.int32),
        n,
        np.zeros(4, dtype=np.int64),
        n.astype(np.int64),
        np.array([0, 0, 30, 60]) * DAY,
        n[1:].astype(np.int64),
    )
    source = Source(pairs, 30.0)
    assert source.chance == pytest.approx(np.array([1, 2, 4]) / 7)
    drawn = source.draw(np.random.default_rng(0), 7000, 2)[1]
    assert np.bincount(drawn, minlength=4)[1:] == pytest.approx([1000, 2000, 4000], rel=0.1)
    assert log_popularity(source, 4, 1.0)[3] == pytest.approx(math.log(4 / 7)) and Source(
        pairs
    ).chance == pytest.approx(np.full(3, 1 / 3))


def test_old_pairs_are_replayed_at_least_as_often_as_asked():
    from training.finetuning.pairs import Pairs, Source

    n = np.arange(10)
    pairs = Pairs(
        n.astype(np.int32),
        n,
        np.zeros(10, dtype=np.int64),
        n.astype(np.int64),
        n,
        n[1:].astype(np.int64),
    )
    source = Source(pairs, 1e-5, since=8, replay=0.25)
    assert source.chance[:7].sum() == pytest.approx(0.25) and source.chance.sum() == pytest.approx(
        1
    )
    assert Source(pairs, since=8, replay=0.25).chance == pytest.approx(np.full(9, 1 / 9))
    anchor, target = source.draw(np.random.default_rng(0), 400, 3)
    assert (
        270 < (target >= 8).sum() < 330
        and anchor.shape == (400, 3)
        and (anchor < target[:, None]).all()
    )
