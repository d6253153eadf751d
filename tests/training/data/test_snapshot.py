import json
from datetime import UTC, datetime

import polars as pl
import pytest

from tests import tinyshop
from training.data.snapshot import SnapshotError, digest_of, read_snapshot, write_snapshot

PRODUCTS = pl.DataFrame({"item_id": ["b", "a/1"], "title": ["B", "A"]})


def events(**columns) -> pl.DataFrame:
    row = {
        "user_id": ["u"],
        "item_id": ["b"],
        "type": ["purchase"],
        "occurred_at": [datetime(2026, 1, 1, tzinfo=UTC)],
        "session_id": [None],
    }
    return pl.DataFrame(
        {**row, **columns},
        schema_overrides={"user_id": pl.String, "item_id": pl.String, "session_id": pl.String},
    )


def read(tmp_path, **tables):
    write_snapshot(tmp_path, "t", {"products": PRODUCTS, "events": events(), **tables})
    return read_snapshot(tmp_path)


def test_products_are_in_the_order_of_their_ids(tmp_path):
    snapshot = read(tmp_path)
    assert snapshot.item_ids == ["a/1", "b"] and snapshot.events.item.tolist() == [1]


def test_a_changed_byte_is_found(tmp_path):
    tinyshop.write(tmp_path)
    data = bytearray((tmp_path / "events.parquet").read_bytes())
    data[100] ^= 1
    (tmp_path / "events.parquet").write_bytes(bytes(data))
    with pytest.raises(SnapshotError, match="digest"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        (
            {"events": events(item_id=["zzz"])},
            r"events\.parquet: column item_id, row 1: is not a known product",
        ),
        ({"events": events(item_id=[None])}, r"events\.parquet: column item_id, row 1: is empty"),
        (
            {"events": events(type=["stroll"])},
            r"events\.parquet: column type, row 1: is not one of impression",
        ),
        (
            {"events": events(user_id=[None])},
            r"events\.parquet: column session_id, row 1: is empty although user_id",
        ),
        (
            {"events": events().drop("occurred_at")},
            r"events\.parquet: column occurred_at is missing",
        ),
        (
            {"products": PRODUCTS.with_columns(item_id=pl.lit("b"))},
            r"products\.parquet: column item_id, row 2: repeats",
        ),
        ({"products": PRODUCTS.drop("title")}, r"products\.parquet: column title is missing"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, tables, says):
    with pytest.raises(SnapshotError, match=says):
        read(tmp_path, **tables)


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(SnapshotError, match=r"no manifest\.json"):
        read_snapshot(tmp_path)


def test_a_damaged_file_with_a_fresh_digest(tmp_path):
    tinyshop.write(tmp_path)
    (tmp_path / "events.parquet").write_bytes(b"not parquet")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "digest": digest_of(tmp_path)}))
    with pytest.raises(SnapshotError, match=r"events\.parquet cannot be read"):
        read_snapshot(tmp_path)


def test_anonymous_and_search_events_are_kept(tmp_path):
    both = pl.concat(
        [events(user_id=[None], session_id=["s"]), events(item_id=[None], type=["search"])]
    )
    snapshot = read(tmp_path, events=both)
    assert snapshot.events.user.tolist() == [-1, 0] and snapshot.events.item.tolist() == [1, -1]
