"""Evaluation of ranking by text: before and after fine-tuning, against popularity and item-kNN."""

import numpy as np

from training.candidates import covisitation
from training.candidates.sources import Signals
from training.data.product_text import product_texts
from training.data.splits import Window
from training.evaluation.ranking import TextVectors, rank_by_source, summary
from training.finetuning.augmentation import DISTURBANCES, disturbed
from training.recipes.text_training import Texts
from training.runs.run import Run


def text_systems(run: Run, window: Window, texts: TextVectors) -> dict:
    """Metrics of text before and after fine-tuning, popularity and item-kNN, on one window."""
    if not len(window.target):
        return {}
    config, n = run.config, run.snapshot.n_items
    known = window.fit
    similar = covisitation.similar(
        known, len(run.snapshot.user_ids), n, config.neighbours, window.now, config.half_life_days
    )
    signals = Signals(
        {"similar": similar},
        covisitation.popularity(known, n, window.now),
        None,
        config.half_life_days,
    )
    ranked = {
        name: rank_by_source(window, source, config, signals)
        for name, source in (
            ("popularity", "sold"),
            ("popularity_30d", "sold_30"),
            ("item_knn", "similar"),
        )
    }
    ranked |= {
        name: rank_by_source(window, "text", config, vectors=v)
        for name, v in (("text_before", texts.before), ("text_after", texts.after))
    }
    return {name: summary(ranking) for name, ranking in ranked.items()}


def robustness(run: Run, window: Window, texts: Texts) -> dict:
    """NDCG@10 of ranking by text when product texts have typing errors, dropped words, or
    capitals.
    """
    if not len(window.target):
        return {}
    written = product_texts(run.snapshot.products)
    out = {}
    for kind in ("as_written", *DISTURBANCES):
        vectors = (
            texts.after
            if kind == "as_written"
            else texts.encoder.encode(disturbed(written, kind, run.config.seed))
        )
        out[kind] = {
            "ndcg@10": float(
                np.nan_to_num(
                    np.nanmean(rank_by_source(window, "text", run.config, vectors=vectors).ndcg())
                )
            )
        }
    return out
