"""Groups of shoppers and of products by which rankings are evaluated."""

import json
from collections import Counter

import numpy as np
import polars as pl

from training.data.snapshot import Snapshot
from training.data.splits import Window

NEW_SHOPPER_EVENTS = 2
NEW_PRODUCT_EVENTS = 5
HEAD = 0.2
MOST_CATEGORIES = 8
MOST_VALUES = 12
FEWEST = 20
"""Minimum number of shoppers of a group by attribute."""


def shopper_groups(snapshot: Snapshot, window: Window) -> dict[str, np.ndarray]:
    """Masks (shoppers of the window,) bool: new, known, and one per value of attributes with few
    values.
    """
    size = np.diff(window.past.start)
    groups = {
        "new_shoppers": size <= NEW_SHOPPER_EVENTS,
        "known_shoppers": size > NEW_SHOPPER_EVENTS,
    }
    if snapshot.shopper_attributes is None:
        return groups
    parsed = [
        json.loads(text) if text else {}
        for text in snapshot.shopper_attributes.gather(window.users).to_list()
    ]
    for name in sorted({name for attributes in parsed for name in attributes}):
        values = [attributes.get(name) for attributes in parsed]
        counts = Counter(v for v in values if isinstance(v, str | int | bool))
        if len(counts) <= MOST_VALUES:
            masks = {
                value: np.array([v == value for v in values])
                for value in sorted(counts, key=str)
                if counts[value] >= FEWEST
            }
            groups |= {f"{name}: {value}": mask for value, mask in masks.items()}
    return groups


def is_head(sold: np.ndarray) -> np.ndarray:
    """Mask of the head, the best-selling fifth of the products: (items,) bool."""
    head = np.zeros(len(sold), dtype=bool)
    head[np.argsort(-sold, kind="stable")[: max(1, int(HEAD * len(sold)))]] = True
    return head


def product_groups(products: pl.DataFrame, sold: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (items,) bool: new products, the best-selling fifth, the others, and the best-selling
    categories.
    """
    head = is_head(sold)
    groups = {"new_products": sold <= NEW_PRODUCT_EVENTS, "head": head, "tail": ~head}
    first = products["categories"].list.first().fill_null("")
    sales = (
        pl.DataFrame({"category": first, "sold": sold})
        .filter(pl.col("category") != "")
        .group_by("category")
        .agg(pl.col("sold").sum())
    )
    if len(sales) < 2:
        return groups
    largest = sales.sort("sold", "category", descending=[True, False])["category"][
        :MOST_CATEGORIES
    ].to_list()
    return groups | {f"category: {name}": (first == name).to_numpy() for name in largest}
