"""Re-ranking by a cross-encoder: the order, the folder of a checkpoint."""

import numpy as np
import pytest

from training.encoders.bert import TextEncoder
from training.recipes.search_cross_encoder import PairModel
from training.search.cross_encoder import CrossHead, load_cross_encoder, reranked
from training.search.engine import Candidates


def candidates(n, equal=()):
    zeros = np.zeros(n)
    is_equal = np.isin(np.arange(n), equal)
    return Candidates(np.arange(n), *(zeros for _ in range(5)), is_equal, zeros.astype(bool))


def test_what_was_read_stays_before_the_rest():
    scores = reranked(candidates(4), [3.0, 2.0, 1.0, 0.5], np.array([-9.0, 0.0]))
    assert np.argsort(-scores).tolist() == [1, 0, 2, 3]
    assert scores[2:].tolist() == [1.0, 0.5] and scores[0] - scores[1] == pytest.approx(-8)


def test_equal_codes_do_not_raise_the_others():
    scores = reranked(candidates(4, equal=[0]), [-5.0, 2.0, 1.0, 0.5], np.array([0.0, -0.5]))
    assert scores.tolist() == [-5.0, 1.5, 1.0, 0.5]


def test_without_anything_added_nothing_moves():
    assert reranked(candidates(3), [3.0, 2.0, 1.0], np.zeros(2)).tolist() == [3, 2, 1]
    assert reranked(candidates(2), [3.0, 2.0], np.zeros(0)).tolist() == [3, 2]
    assert reranked(candidates(0), [], np.zeros(0)).tolist() == []


def test_the_exported_one_scores_like_the_trained_one(tiny_encoder, tmp_path):
    encoder = TextEncoder.load(str(tiny_encoder))
    weight = np.random.default_rng(0).normal(size=encoder.dim).astype(np.float32)
    model = PairModel(encoder, CrossHead(weight, 0.5, 0.4))
    assert load_cross_encoder(tmp_path) is None
    model.save(tmp_path)
    loaded = load_cross_encoder(tmp_path)
    titles = [f"{colour} {thing}" for colour in ("red", "blue") for thing in ("mug", "lantern")]
    ours, theirs = model.score("red lantern", titles), loaded.score("red lantern", titles)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95
    assert np.allclose(loaded.score("red lantern", titles[1:2]), theirs[1:2], atol=1e-5)
