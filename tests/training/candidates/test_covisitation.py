import numpy as np
import pytest

from tests.tinyshop import events_of
from training.candidates.covisitation import (
    _inverse,
    bought_next,
    ease,
    popularity,
    similar,
    together,
    top_neighbours,
)
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.interactions import interactions
from training.data.snapshot import DAY, TYPE_CODE

BUY = TYPE_CODE["purchase"]


def shop(*rows):
    """(user, item, day, basket)"""
    return interactions(
        events_of([(u, i, BUY, day * DAY, 1, basket) for u, i, day, basket in rows]), EVENT_WEIGHTS
    )


def test_together_counts_anonymous_baskets():
    matrix = together(
        shop((-1, 0, 1, 1), (-1, 1, 1, 1), (0, 0, 2, 2), (0, 2, 2, 2)), 4, 10
    ).toarray()
    size_two = 1 / np.log(3)
    assert matrix[0, 1] == pytest.approx(size_two / np.sqrt(2 * 1))
    assert matrix[1, 2] == 0 and matrix[0, 0] == 0 and matrix[3].sum() == 0


def test_next_has_a_direction():
    matrix = bought_next(
        shop((0, 0, 1, 1), (0, 1, 2, 2), (1, 0, 1, 3), (1, 1, 5, 4)), 3, 10
    ).toarray()
    assert matrix[0, 1] > 0 and matrix[1, 0] == 0


def test_next_counts_nearer_baskets_more():
    matrix = bought_next(shop((0, 0, 1, 1), (0, 1, 2, 2), (0, 2, 3, 3)), 3, 10).toarray()
    assert matrix[0, 2] == pytest.approx(0.7 * matrix[0, 1])


def test_similar_is_the_cosine_over_shoppers():
    rows = [(0, 0, 1, 1), (0, 1, 1, 1), (1, 0, 1, 2), (2, 1, 1, 3)]
    matrix = similar(shop(*rows), 3, 2, 10, now=1 * DAY, half_life_days=30).toarray()
    assert matrix[0, 1] == pytest.approx(1 / 2) and matrix[0, 1] == pytest.approx(matrix[1, 0])


def test_ease_equals_the_formula():
    rng = np.random.default_rng(0)
    x = rng.random((30, 6)) < 0.4
    users, items = np.nonzero(x)
    rows = [(int(u), int(i), 1, int(u)) for u, i in zip(users, items, strict=True)]
    gram = x.T.astype(float) @ x + 5 * np.eye(6)
    p = np.linalg.inv(gram)
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    assert ease(shop(*rows), 30, 6, 6, 5.0).toarray() == pytest.approx(
        np.maximum(expected, 0), abs=1e-4
    )


def test_a_matrix_of_several_blocks_is_inverted_in_place():
    x = np.random.default_rng(1).standard_normal((1500, 1500)).astype(np.float32)
    matrix = x @ x.T / 1500 + np.eye(1500, dtype=np.float32)
    given = matrix.copy()
    result = _inverse(given)
    assert np.abs(result @ matrix - np.eye(1500)).max() < 1e-3 and np.shares_memory(result, given)


def test_what_cannot_be_inverted_is_said():
    with pytest.raises(np.linalg.LinAlgError):
        _inverse(-np.eye(3, dtype=np.float32))


def test_only_the_largest_neighbours_stay():
    import scipy.sparse as sp

    right = sp.csr_matrix(np.array([[0.0, 3, 1, 2]] * 4))
    stored = top_neighbours(
        sp.identity(4, format="csr"), right, 2, np.ones(4), np.ones(4)
    ).toarray()
    assert stored[0].tolist() == [0, 3, 0, 2] and stored[1].tolist() == [0, 0, 1, 2]


def test_popularity_by_age():
    result = popularity(shop((0, 0, 1, 1), (1, 0, 98, 2), (1, 1, 60, 3)), 3, now=100 * DAY)
    assert result.column("sold").tolist() == [2, 1, 0]
    assert result.column("sold_30").tolist() == [1, 0, 0]
    assert (
        result.column("age_days")[0] == 99
        and result.column("idle_days")[0] == 2
        and np.isnan(result.column("age_days")[2])
    )
