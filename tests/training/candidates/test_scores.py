"""However a source's scores are held, the same products are best and the same pairs have the
same score.
"""

import numpy as np
import pytest
import scipy.sparse as sp

from training.candidates.scores import DenseScores, SharedScores, SparseScores
from training.candidates.sources import propose


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def by_hand(values, allowed, k):
    lists = []
    for row, free in zip(values, allowed, strict=True):
        order = sorted(
            (i for i in range(len(row)) if free[i] and row[i] > 0), key=lambda i: (-row[i], i)
        )
        lists.append(order[:k])
    return lists


@pytest.mark.parametrize("k", [1, 4, 30])
@pytest.mark.parametrize(
    "kind", [DenseScores, lambda values: SparseScores.of(sp.csr_matrix(values))]
)
def test_the_best_are_those_found_by_hand(rng, kind, k):
    values = (rng.permutation(20 * 30).reshape(20, 30) * (rng.random((20, 30)) < 0.4)).astype(
        np.float32
    )
    allowed = rng.random((20, 30)) < 0.7
    values[3], allowed[4] = 0, False
    result = kind(values).best(allowed, k)
    for user, expected in enumerate(by_hand(values, allowed, k)):
        assert result.item[result.user == user].tolist() == expected
        assert result.place[result.user == user].tolist() == list(range(len(expected)))
        assert result.top[user] == (values[user, expected[0]] if expected else 0)


def test_the_same_scores_for_all_are_cut_to_what_each_is_allowed(rng):
    values = rng.permutation(30).astype(np.float32)
    for share in (0.3, 1):
        allowed = rng.random((12, 30)) < share
        result = SharedScores(values).best(allowed, 5)
        assert [result.item[result.user == u].tolist() for u in range(12)] == by_hand(
            np.tile(values, (12, 1)), allowed, 5
        )


def test_scores_of_pairs(rng):
    values = (rng.random((6, 9)) * (rng.random((6, 9)) < 0.5)).astype(np.float32)
    user, item = np.repeat(np.arange(6), 9), np.tile(np.arange(9), 6)
    for held in (DenseScores(values), SparseScores.of(sp.csr_matrix(values))):
        assert held.at(user, item).tolist() == values.ravel().tolist()
    assert SharedScores(values[0]).at(user, item).tolist() == np.tile(values[0], 6).tolist()


def test_a_matrix_is_sorted_without_touching_what_it_was_made_of():
    columns = np.array([2, 0], dtype=np.int32)
    SparseScores.of(sp.csr_matrix((np.array([1.0, 2.0]), columns, [0, 2]), shape=(1, 3)))
    assert columns.tolist() == [2, 0]


def test_proposals_are_the_union_and_what_is_wanted():
    allowed = np.ones((2, 4), dtype=bool)
    allowed[0, 0] = False
    one, other = (
        DenseScores(np.float32([[9, 3, 2, 1], [4, 3, 2, 1]])),
        SharedScores(np.float32([0, 0, 0, 5])),
    )
    result = propose({"one": one, "other": other}, allowed, 1, (np.array([1]), np.array([2])))
    assert list(zip(result.user.tolist(), result.item.tolist(), strict=True)) == [
        (0, 1),
        (0, 3),
        (1, 0),
        (1, 2),
        (1, 3),
    ]
    assert result.places["one"].tolist() == [0, 1, 0, 1, 1] and result.places["other"].tolist() == [
        1,
        0,
        1,
        1,
        0,
    ]
    assert result.tops["one"].tolist() == [3, 4] and result.tops["other"].tolist() == [5, 5]
    alone = propose(
        {"one": one, "other": other}, allowed, 1, (np.array([1, 0]), np.array([2, 1])), alone=True
    )
    assert list(zip(alone.user.tolist(), alone.item.tolist(), strict=True)) == [(0, 1), (1, 2)]
    assert (
        alone.places["one"].tolist() == [0, 1]
        and alone.places["other"].tolist() == [1, 1]
        and alone.tops["one"].tolist() == [3, 4]
    )
