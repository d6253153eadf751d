"""A small shop with habits: shoppers of four tastes who come back, so that a model has
something to learn in seconds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from training.data.snapshot import Events, write_snapshot

THEMES = ["lantern", "teapot", "garden", "paper"]
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
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
DAYS = 150


def products() -> list[dict]:
    return [
        {"item_id": f"{theme[:2].upper()}/{i}", "title": f"{word} {theme}", "price": 1.5 + i}
        for theme in THEMES
        for i, word in enumerate(WORDS)
    ]


def events(shoppers: int = 80, seed: int = 3) -> list[dict]:
    """Purchases in time order: mostly of the shopper's theme, every few days, some again and
    again; a few anonymous baskets.
    """
    rng = np.random.default_rng(seed)
    catalog = products()
    rows = []
    for shopper in range(shoppers):
        theme = shopper % len(THEMES)
        favourites = rng.choice(len(WORDS), 3, replace=False)
        day = rng.uniform(0, 10)
        visit = 0
        while day < DAYS:
            chosen = {theme * len(WORDS) + int(i) for i in rng.choice(favourites, 2)} | {
                theme * len(WORDS) + int(rng.integers(len(WORDS)))
            }
            chosen |= {int(rng.integers(len(catalog)))} if rng.random() < 0.2 else set()
            who = None if rng.random() < 0.05 else f"shopper-{shopper:03d}"
            for item in sorted(chosen):
                moment = START + timedelta(days=float(day))
                rows.append(
                    {
                        "user_id": who,
                        "item_id": catalog[item]["item_id"],
                        "type": "purchase",
                        "occurred_at": moment.replace(microsecond=0),
                        "quantity": 1.0,
                        "price": catalog[item]["price"],
                        "session_id": f"s-{shopper}-{visit}",
                    }
                )
            day += rng.exponential(9) + 1
            visit += 1
    return sorted(rows, key=lambda row: row["occurred_at"])


def events_of(rows: Sequence[tuple[int, int, int, int, float, int]]) -> Events:
    """From (user, item, type, time, quantity, session) tuples that are already in time order."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    kinds = (np.int32, np.int32, np.int8, np.int64, np.float32, np.int64)
    return Events(
        *(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))
    )


def write(folder: Path, shoppers: int = 80) -> Path:
    """The shop as a snapshot folder."""
    rows = events(shoppers)
    frame = pl.DataFrame(
        [{k: v for k, v in row.items() if k != "price"} for row in rows], infer_schema_length=None
    )
    items = pl.DataFrame([{**p, "hidden": False} for p in products()])
    write_snapshot(folder, "tiny", {"products": items, "events": frame, **tables()})
    return folder


def tables(n: int = 240, seed: int = 5) -> dict[str, pl.DataFrame]:
    """Reviews, judged queries and solved dialogues in the shop's few words: some words praise,
    some blame, themes are topics.
    """
    rng = np.random.default_rng(seed)
    reviews, dialogues, judgements = [], [], []
    for i in range(n):
        theme, good = THEMES[i % 4], bool(rng.random() < 0.5)
        mood = rng.choice(WORDS[:5] if good else WORDS[5:], 3)
        reviews.append(
            {
                "review_id": f"r-{i}",
                "item_id": f"{theme[:2].upper()}/0",
                "rating": 5.0 if good else 1.0,
                "title": mood[0],
                "text": f"{theme} {' '.join(mood[1:])}",
                "label": None,
                "topic": theme,
            }
        )
        dialogues.append(
            {
                "text": f"{' '.join(rng.choice(WORDS, 2))} {theme}",
                "intent": f"ask {theme}",
                "answer": f"our {theme} is {WORDS[i // 4 % len(WORDS)]}",
            }
        )
    for theme in THEMES:
        for i, word in enumerate(WORDS):
            for other in THEMES:
                judgements.append(
                    {
                        "query": f"{word} {theme}",
                        "item_id": f"{other[:2].upper()}/{i}",
                        "grade": 3.0 if other == theme else 0.0,
                    }
                )
    return {
        "reviews": pl.DataFrame(reviews, infer_schema_length=None),
        "dialogues": pl.DataFrame(dialogues),
        "judgements": pl.DataFrame(judgements),
    }


def write_encoder(folder: Path, hidden: int = 32, layers: int = 2) -> Path:
    """A tiny BERT with random weights and a word tokenizer, as a Hugging Face folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *THEMES, "a", "b", "c"]
    tokenizer = Tokenizer(
        models.WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
