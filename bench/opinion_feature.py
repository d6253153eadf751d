"""Whether a product's opinion pays as a feature of the ranking: Amazon gift cards, which have
events, dates and reviews.

The ranker is trained twice on the same candidates, without and with a column: the mean polarity
of the clauses of a product's reviews before the window, nan without any. Candidate sources count
events; no encoder is trained. Test windows follow each other; each has rankers of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from bench.__main__ import measure
from bench.fits import KEPT, data_folder, fit, sources, write_tables
from training.candidates.sources import LearnedSignals, Signals, fit_signals
from training.configuration.ranking_recipes import FusionConfig
from training.data.snapshot import DAY, Snapshot, read_snapshot, write_snapshot
from training.data.splits import Window, time_window
from training.evaluation.ranking import Ranked, interval
from training.inference.opinion_judge import OpinionJudge
from training.inference.text_predictor import load_predictor
from training.ranking.features import Candidates, candidates_of, feature_names
from training.ranking.ranker import (
    TrainingRows,
    allowed_products,
    labels_of,
    stack,
    top_lists,
    train_ranker,
)
from training.recipes.fusion import facts_of

DAYS, TESTS, EARLIER = 60, 12, 4
"""Days of a window, number of test windows, and training windows before each."""
K = 10
VALUE = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
COLUMN = "opinion"


def run() -> dict[str, dict]:
    snapshot, reviews = _gift_cards()
    spoken = _polarities(reviews, snapshot)
    config = FusionConfig(left_out="text,sequence")
    end = int(snapshot.events.time[-1]) + 1
    without, with_it = [], []
    for i in range(TESTS):
        cut = end - (i + 1) * DAYS * DAY
        plain, more = _ndcg(snapshot, spoken, cut, config)
        without.append(plain)
        with_it.append(more)
    before, after = np.concatenate(without), np.concatenate(with_it)
    gain = interval(after - before)
    return {
        "ranking.ndcg": measure(float(after.mean()), "NDCG@10", float(before.mean())),
        "ranking.gain_low": measure(gain["low"], "NDCG@10"),
        "ranking.gain_high": measure(gain["high"], "NDCG@10"),
        "ranking.shoppers": measure(len(after), "shoppers"),
    }


def _gift_cards() -> tuple[Snapshot, pl.DataFrame]:
    """The snapshot, each review as a purchase, and the reviews."""
    folder = data_folder("amazon_gift_cards_2018")
    reviews = pl.read_csv(folder / "reviews.csv.gz").with_columns(
        occurred_at=pl.from_epoch("timestamp").dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    )
    items = pl.read_csv(folder / "items.csv.gz").filter(
        pl.col("asin").is_in(reviews["asin"].unique().implode())
    )
    kept: Path = KEPT / "snapshots" / "gift-cards"
    events = reviews.sort("occurred_at").select(
        user_id=pl.col("user_id").cast(pl.String),
        item_id="asin",
        type=pl.lit("purchase"),
        occurred_at="occurred_at",
        session_id=pl.lit(None, pl.String),
    )
    price = pl.col("price").str.extract(r"^\$([\d.]+)$").cast(pl.Float64)
    products = items.select("title", item_id="asin", price=price)
    write_snapshot(kept, "gift-cards", {"products": products, "events": events})
    return read_snapshot(kept), reviews


def _polarities(reviews: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Product, time and polarity of each judged clause."""
    fit("opinion", write_tables("opinions-none"), "opinion-zero_labels", {})
    judge = OpinionJudge(load_predictor(KEPT / sources() / "opinion-zero_labels" / "out"))
    row = {item: i for i, item in enumerate(snapshot.item_ids)}
    said = reviews.filter(pl.col("review_text").is_not_null())
    rows = [
        (row[item], moment, VALUE[clause.polarity])
        for item, moment, found in zip(
            said["asin"], said["timestamp"], judge.judge(said["review_text"].to_list()), strict=True
        )
        for clause in found
        if clause.polarity
    ]
    return pl.DataFrame(rows, schema=["item", "time", "value"], orient="row")


def _ndcg(
    snapshot: Snapshot, spoken: pl.DataFrame, cut: int, config: FusionConfig
) -> tuple[np.ndarray, np.ndarray]:
    """NDCG@10 of each shopper of the window after `cut`, without and with the column."""
    training = [
        part
        for i in range(EARLIER)
        for part in _rows(snapshot, spoken, cut - (i + 1) * DAYS * DAY, config)
    ]
    rows = stack(training)
    window = _window(snapshot, cut, config)
    if not len(window.users) or not rows.label.any():
        return np.zeros(0), np.zeros(0)
    candidates, names = _candidates(snapshot, spoken, window, config)
    out = []
    for width in (len(names) - 1, len(names)):
        part = TrainingRows(rows.features[:, :width], rows.label, rows.group, rows.shopper)
        ranker = train_ranker(part, names[:width], config)
        score = ranker.predict(candidates.features[:, :width])
        lists = top_lists(candidates.user, candidates.item, score, len(window.users), K)
        out.append(Ranked(window, lists).ndcg())
    return out[0], out[1]


def _rows(
    snapshot: Snapshot, spoken: pl.DataFrame, cut: int, config: FusionConfig
) -> Iterator[TrainingRows]:
    window = _window(snapshot, cut, config)
    if not len(window.users):
        return
    candidates, _ = _candidates(snapshot, spoken, window, config)
    label = labels_of(window, 0, candidates.user, candidates.item)
    keep = np.isin(candidates.user, candidates.user[label])
    counts = np.bincount(candidates.user[keep], minlength=len(window.users))
    yield TrainingRows(
        candidates.features[keep], label[keep], counts[counts > 0], window.users[counts > 0]
    )


def _window(snapshot: Snapshot, cut: int, config: FusionConfig) -> Window:
    return time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, DAYS)


def _candidates(
    snapshot: Snapshot, spoken: pl.DataFrame, window: Window, config: FusionConfig
) -> tuple[Candidates, list[str]]:
    """Candidates with the column last, and the names of the columns."""
    signals: Signals = fit_signals(
        window.fit,
        len(snapshot.user_ids),
        snapshot.n_items,
        window.now,
        config,
        LearnedSignals(),
    )
    allowed = allowed_products(window, window.past)
    facts = facts_of(snapshot.products)
    found = candidates_of(window.past, signals, facts, allowed, window.now, config)
    means = np.full(snapshot.n_items, np.nan, dtype=np.float32)
    known = spoken.filter(pl.col("time") < window.now).group_by("item").agg(pl.mean("value"))
    means[known["item"].to_numpy()] = known["value"].to_numpy()
    features = np.column_stack([found.features, means[found.item]])
    return Candidates(found.user, found.item, features), [*feature_names(signals, config), COLUMN]
