"""What is bought together, next and again; popularity and trend: counted from interactions, no
learning.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from training.data.interactions import Histories, Interactions, histories
from training.data.snapshot import DAY

BLOCK_CELLS = 30_000_000


def top_neighbours(
    left: sp.csr_matrix,
    right: sp.csr_matrix,
    k: int,
    row_scale: np.ndarray,
    column_scale: np.ndarray,
) -> sp.csr_matrix:
    """Rows of `left @ right`, scaled, without the diagonal, cut to each row's k largest values.

    left (items, m), right (m, items); returns (items, items) float32. Works in blocks of rows, so
    memory stays bounded.
    """
    n = left.shape[0]
    step = max(1, min(n, BLOCK_CELLS // max(n, 1)))
    blocks = []
    for begin in range(0, n, step):
        block = (left[begin : begin + step] @ right).tocsr()
        block.data = (
            block.data
            * np.repeat(row_scale[begin : begin + step], np.diff(block.indptr))
            * column_scale[block.indices]
        )
        block.data[
            block.indices
            == np.repeat(np.arange(begin, begin + block.shape[0]), np.diff(block.indptr))
        ] = 0.0
        blocks.append(_largest_per_row(block, k))
    return sp.vstack(blocks, format="csr") if blocks else sp.csr_matrix((n, n), dtype=np.float32)


def _largest_per_row(matrix: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """The k largest positive entries of each row."""
    columns, values, counts = [], [], np.zeros(matrix.shape[0], dtype=np.int64)
    for row in range(matrix.shape[0]):
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        value, column = matrix.data[entries], matrix.indices[entries]
        if len(value) > k:
            best = np.argpartition(-value, k - 1)[:k]
            value, column = value[best], column[best]
        positive = value > 0
        columns.append(column[positive])
        values.append(value[positive])
        counts[row] = positive.sum()
    start = np.concatenate([[0], np.cumsum(counts)])
    cut = (np.concatenate(values).astype(np.float32), np.concatenate(columns), start)
    result = sp.csr_matrix(cut, shape=matrix.shape)
    result.sort_indices()
    return result


def _incidence(
    rows: np.ndarray,
    events: Interactions,
    n_rows: int,
    n_items: int,
    values: np.ndarray | None = None,
) -> sp.csr_matrix:
    """(n_rows, n_items): the largest value of each pair, 1 where none is given."""
    values = np.ones(len(rows), dtype=np.float32) if values is None else values
    code = rows.astype(np.int64) * n_items + events.item
    order = np.lexsort((-values, code))
    code, values = code[order], values[order]
    first = np.ones(len(code), dtype=bool)
    first[1:] = code[1:] != code[:-1]
    return sp.csr_matrix(
        (values[first], (code[first] // n_items, code[first] % n_items)), shape=(n_rows, n_items)
    )


def together(events: Interactions, n_items: int, k: int) -> sp.csr_matrix:
    """How strongly two products share baskets, anonymous ones included: cosine, large baskets
    counting less.
    """
    basket, row = np.unique(events.basket, return_inverse=True)
    x = _incidence(row, events, len(basket), n_items)
    size = np.maximum(np.asarray(x.sum(axis=1)).ravel(), 1)
    weighted = sp.diags((1.0 / np.log1p(size)).astype(np.float32)) @ x
    scale = 1.0 / np.sqrt(np.maximum(np.asarray(x.sum(axis=0)).ravel(), 1))
    return top_neighbours(weighted.T.tocsr(), x, k, scale, scale)


def bought_next(
    events: Interactions, n_items: int, k: int, reach: int = 5, decay: float = 0.7
) -> sp.csr_matrix:
    """How often product j is in one of the `reach` baskets after one with product i, nearer
    ones counting more.
    """
    events = events.take(events.user >= 0)
    order = np.lexsort((np.arange(len(events)), events.time, events.user))
    events = events.take(order)
    fresh = np.ones(len(events), dtype=bool)
    fresh[1:] = (events.user[1:] != events.user[:-1]) | (events.basket[1:] != events.basket[:-1])
    number = np.cumsum(fresh) - 1
    owner = events.user[fresh]
    x = _incidence(number, events, len(owner), n_items)
    after = sp.csr_matrix(x.shape, dtype=np.float32)
    for step in range(1, reach + 1):
        same = (
            np.flatnonzero(owner[:-step] == owner[step:])
            if len(owner) > step
            else np.zeros(0, dtype=int)
        )
        shift = sp.csr_matrix(
            (np.full(len(same), decay ** (step - 1), dtype=np.float32), (same, same + step)),
            shape=(len(owner),) * 2,
        )
        after = after + shift @ x
    count = np.maximum(np.asarray(x.sum(axis=0)).ravel(), 1)
    return top_neighbours(
        x.T.tocsr(), after.tocsr(), k, 1.0 / np.sqrt(count + 3), 1.0 / np.sqrt(count + 3)
    )


def similar(
    events: Interactions,
    n_users: int,
    n_items: int,
    k: int,
    now: int,
    half_life_days: float,
    longest: int = 500,
) -> sp.csr_matrix:
    """Item-kNN: cosine between products over shoppers, recent interactions counting more; the
    last `longest` a shopper.
    """
    past = histories(events, np.arange(n_users), n_items)
    from_end = np.repeat(past.start[1:], np.diff(past.start)) - np.arange(len(past.item))
    fade = 0.5 ** ((now - past.last) / DAY / half_life_days)
    x = past.matrix(np.where(from_end <= longest, np.maximum(fade, 1e-3), 0.0).astype(np.float32))
    x.eliminate_zeros()
    norm = np.sqrt(np.asarray(x.multiply(x).sum(axis=0)).ravel())
    scale = 1.0 / np.maximum(norm, 1e-6)
    return top_neighbours(x.T.tocsr(), x, k, scale * (norm > 0), scale * (norm > 0))


def ease(
    events: Interactions, n_users: int, n_items: int, k: int, regularisation: float
) -> sp.csr_matrix:
    """EASE (Steck 2019, "Embarrassingly Shallow Autoencoders"): B = -P / diag(P), P = (XᵀX +
    λI)⁻¹; k largest a row.
    """
    past = histories(events, np.arange(n_users), n_items)
    x = past.matrix(np.ones(len(past.item), dtype=np.float32))
    gram = (x.T @ x).toarray().astype(np.float32, copy=False)
    gram[np.diag_indices(n_items)] += regularisation
    inverse = _inverse(gram)
    diagonal, blocks, step = np.diag(inverse).copy(), [], max(1, BLOCK_CELLS // max(n_items, 1))
    for begin in range(0, n_items, step):
        weights = -inverse[begin : begin + step] / diagonal
        weights[np.arange(len(weights)), np.arange(begin, begin + len(weights))] = 0.0
        blocks.append(_largest_per_row(sp.csr_matrix(np.maximum(weights, 0)), k))
    return sp.vstack(blocks, format="csr")


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a symmetric positive definite matrix, in its own memory."""
    factor, failed = lapack.spotrf(matrix.T, overwrite_a=True)
    upper, failed_too = lapack.spotri(factor, overwrite_c=True)
    if failed or failed_too:
        raise np.linalg.LinAlgError("the matrix is not positive definite")
    lower, step = upper.T, 1024
    for begin in range(0, len(lower), step):
        rows = slice(begin, begin + step)
        block = np.tril(lower[rows, rows])
        lower[rows, rows] = block + np.tril(block, -1).T
        lower[rows, begin + step :] = lower[begin + step :, rows].T
    return lower


ITEM_STATS = (
    "sold",
    "sold_30",
    "sold_7",
    "buyers",
    "trend",
    "age_days",
    "idle_days",
    "again_rate",
    "gap_days",
    "basket_size",
)


@dataclass(frozen=True)
class Popularity:
    """Per product, as of `now`: (n_items, len(ITEM_STATS)) float32 in the order of ITEM_STATS,
    nan where unknown.
    """

    stats: np.ndarray
    now: int

    def column(self, name: str) -> np.ndarray:
        """One statistic of all products: (items,)."""
        return self.stats[:, ITEM_STATS.index(name)]


def popularity(events: Interactions, n_items: int, now: int) -> Popularity:
    """Sales in all, in the last 30 and 7 days, buyers, trend, age, repurchase rate and its
    usual gap.
    """
    age = (now - events.time) / DAY

    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(events.item[mask], events.weight[mask], minlength=n_items)

    sold, sold_30, sold_7 = count(age >= 0), count(age < 30), count(age < 7)
    first, last = np.full(n_items, np.inf), np.full(n_items, np.inf)
    np.minimum.at(last, events.item, age)
    oldest = np.full(n_items, -np.inf)
    np.maximum.at(oldest, events.item, age)
    first = np.where(np.isfinite(oldest), oldest, np.nan)
    last = np.where(np.isfinite(last), last, np.nan)
    buyers, again, gap = _repurchase(events, n_items)
    basket_size = np.bincount(events.basket)
    size = np.bincount(events.item, basket_size[events.basket], minlength=n_items) / np.maximum(
        np.bincount(events.item, minlength=n_items), 1
    )
    expected = (sold - sold_30) / np.maximum(first - 30, 30) * 30
    trend = (sold_30 + 1) / (np.nan_to_num(expected) + 1)
    stats = np.stack([sold, sold_30, sold_7, buyers, trend, first, last, again, gap, size], axis=1)
    return Popularity(stats.astype(np.float32), now)


def _repurchase(events: Interactions, n_items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per product: buyers; share of them that came back for it (damped); mean days between, nan
    where none did.
    """
    known = events.take(events.user >= 0)
    if len(known) == 0:
        return np.zeros(n_items), np.zeros(n_items), np.full(n_items, np.nan)
    past: Histories = histories(known, np.unique(known.user), n_items)
    buyers = np.bincount(past.item, minlength=n_items)
    back = past.bought >= 2
    returned = np.bincount(past.item[back], minlength=n_items)
    gaps = (past.last - past.first)[back] / DAY / (past.bought[back] - 1)
    total_gap = np.bincount(past.item[back], gaps, minlength=n_items)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(returned > 0, total_gap / returned, np.nan)
    overall = returned.sum() / max(buyers.sum(), 1)
    return buyers, (returned + 5 * overall) / (buyers + 5), gap
