"""Shops that hardly are shops: each is trained on and ranked, or says in a sentence why it
cannot be.
"""

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests import tinyshop
from training.data.snapshot import read_snapshot, write_snapshot
from training.errors import TrainingError
from training.fit import fit, new_progress
from training.inference.checkpoint import load_checkpoint
from training.runs.run import Run

PRODUCTS = [{**product, "hidden": False} for product in tinyshop.products()]
EVENTS = [
    {name: value for name, value in row.items() if name != "price"} for row in tinyshop.events()
]
FAVOURITE = PRODUCTS[0]["item_id"]
NO_TEXT = {"text": "no product has a text"}
NO_SEQUENCE = {"sequence": "only 0 products were taken after others, 200 are needed"}


def busy(events: int) -> list[dict]:
    """Somebody who buys something every four minutes, beside the others."""
    first = EVENTS[0]["occurred_at"]
    more = (
        {"user_id": "busy", "session_id": f"b-{i}", "occurred_at": first + timedelta(minutes=4 * i)}
        for i in range(events)
    )
    return sorted(
        EVENTS + [EVENTS[i % len(EVENTS)] | row for i, row in enumerate(more)],
        key=lambda row: row["occurred_at"],
    )


def without(rows: list[dict], *names: str) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


TRAINS = {
    "one product": (PRODUCTS[:1], [row | {"item_id": FAVOURITE} for row in EVENTS], NO_SEQUENCE),
    "a shopper with 50,000 events": (PRODUCTS, busy(50_000), {}),
    "a product bought by everyone": (
        PRODUCTS,
        [row | {"item_id": FAVOURITE} if i % 2 else row for i, row in enumerate(EVENTS)],
        {},
    ),
    "no text": ([product | {"title": ""} for product in PRODUCTS], EVENTS, NO_TEXT),
    "ids only": (
        [{"item_id": product["item_id"], "title": ""} for product in PRODUCTS],
        without(EVENTS, "quantity"),
        NO_TEXT,
    ),
    "one title for all": ([product | {"title": "red lantern"} for product in PRODUCTS], EVENTS, {}),
}
CANNOT = {
    "one shopper": (
        [row | {"user_id": "a"} for row in EVENTS],
        "fewer than 5 shoppers bought both before and within",
    ),
    "one moment": (
        [row | {"occurred_at": EVENTS[0]["occurred_at"]} for row in EVENTS],
        "no shopper known before bought",
    ),
    "no shopper known": (
        [row | {"user_id": None} for row in EVENTS],
        "no shopper known before bought",
    ),
    "only text": ([], "there are no events to learn from"),
}


@pytest.fixture
def train(tmp_path, tiny_config):
    def run(products: list[dict], events: list[dict]):
        columns = {
            "user_id": pl.String,
            "item_id": pl.String,
            "type": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
            "session_id": pl.String,
        }
        frame = (
            pl.DataFrame(events, schema_overrides=columns, infer_schema_length=None)
            if events
            else pl.DataFrame(schema=columns)
        )
        write_snapshot(
            tmp_path / "snapshot", "odd", {"products": pl.DataFrame(products), "events": frame}
        )
        snapshot = read_snapshot(tmp_path / "snapshot")
        fit(
            Run(snapshot, "fusion", tiny_config, new_progress(None, "fusion", quiet=True)),
            tmp_path / "out",
        )
        return snapshot, tmp_path / "out"

    return run


@pytest.mark.parametrize("name", TRAINS)
def test_it_is_trained_on_and_ranked_and_the_report_says_what_was_off(train, name):
    products, events, off = TRAINS[name]
    snapshot, folder = train(products, events)
    report = json.loads((folder / "report.json").read_text())
    assert report["off"] == off and 0 < report["all"]["systems"]["vitrine"]["ndcg@10"]["value"] <= 1
    model, ids = load_checkpoint(folder)
    past = model.histories(snapshot.events, np.arange(3))
    lists = model.recommend(past, int(snapshot.events.time[-1]) + 1, 5)
    assert all(len({result.item for result in some}) == min(5, len(ids)) for some in lists)


@pytest.mark.parametrize("name", CANNOT)
def test_it_says_in_a_sentence_why_not(train, name):
    events, says = CANNOT[name]
    with pytest.raises(TrainingError, match=says):
        train(PRODUCTS, events)
