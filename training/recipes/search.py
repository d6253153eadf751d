"""Recipe `search`: relevance of products to queries, from judgments where there are any, else from
clicks and purchases after a query.

It fine-tunes the encoder, then trains the ranker that orders what words and meaning find, and the
cross-encoder that re-ranks the best of them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.configuration.fields import ConfigError
from training.encoders.bert import TextEncoder
from training.inference.checkpoint import CheckpointError, read_run
from training.metrics.ranking import bootstrap_interval
from training.recipes import search_encoder
from training.recipes.search_cross_encoder import PairModel, fit_cross_encoder
from training.recipes.search_encoder import SearchEncoder, Vectors
from training.recipes.search_judgements import CLICKS, TEST, Judged, read_judged
from training.recipes.search_ranking import (
    Retriever,
    learned_from,
    lexical_index,
    lists_of,
    measured,
)
from training.runs.run import NO_CHAMPION, Run, compared
from training.search.cross_encoder import CrossEncoder, load_cross_encoder
from training.search.ranker import SearchRanker, load_ranker


@dataclass(frozen=True, eq=False)
class SearchFit:
    """What the recipe makes: encoder, vectors of the products, ranker; a cross-encoder where it
    helps.
    """

    encoder: TextEncoder
    vectors: Vectors
    ranker: SearchRanker
    cross: PairModel | None


def try_fields(run: Run) -> None:
    """One trial of the hyperparameter search, on training and validation queries."""
    search_encoder.try_fields(run, read_judged(run))


def fit_search(run: Run) -> tuple[SearchFit, dict]:
    """The search model and its report. Raises TrainingError."""
    judged = read_judged(run)
    message = f"{len(judged.queries):,} queries, {len(judged.item):,} {judged.source}"
    run.progress.stage("Baselines", 0, message)
    test = judged.of(TEST)
    with lexical_index(run.snapshot) as index:
        by_words = Retriever.of(index, run.snapshot, judged)
        encoder = SearchEncoder.load(run, judged)
        vectors = encoder.texts.vectors()
        run.progress.stage("Cross-fitting", 0)
        encoder.cross_fit()
        learned = learned_from(judged, by_words, encoder, vectors)
        ranker = learned.ranker(run.config)
        words = [by_words.candidates(query).keys.tolist() for query in test.tolist()]
        before = lists_of(by_words.with_vectors(vectors), None, test)
        run.progress.stage("Fine-tuning", 0)
        vectors = encoder.finish()
        run.progress.stage("Cross-encoder", 0)
        cross, gains = fit_cross_encoder(run, judged, learned)
        run.progress.stage("Check", 0)
        after = lists_of(by_words.with_vectors(vectors), ranker, test, cross)
        systems = {
            "words": words,
            "text_before": before["text"],
            "text_after": after["text"],
            "fused_before": before["fused"],
            "fused": after["fused"],
            "ranked": after["reranked" if cross else "ranked"],
        }
        if cross:
            systems["ranked_without_cross_encoder"] = after["ranked"]
        theirs, reason = _champion(run, judged, by_words, test)
    if theirs is not None:
        systems["champion"] = theirs
    report = run.report_head(
        {"kind": judged.source, "queries": len(test), "products": run.snapshot.n_items}
    )
    report["systems"] = {name: _row(judged, test, lists) for name, lists in systems.items()}
    report["champion"] = compared(reason)
    report["chosen"] = {
        "share": encoder.share,
        "gain": dict(zip(("value", "error"), encoder.gain, strict=True)),
        "trainable_share": encoder.trainable_share,
        "features": ranker.gains(),
        "cross_encoder": {
            "weight": cross.head.interpolation if cross else 0.0,
            "gains": {str(weight): gain for weight, gain in gains.items()},
        },
        "propensities": [] if judged.propensity is None else judged.propensity.round(4).tolist(),
    }
    report["primary"] = {
        "measure": "ndcg@10",
        "system": "ranked",
        "baseline": "words",
        "higher_is_better": True,
    }
    return SearchFit(encoder.encoder, vectors, ranker, cross), run.finish_report(report)


def _row(judged: Judged, queries: np.ndarray, lists: list[list[int]]) -> dict:
    values = measured(judged, queries, lists)
    if judged.source == CLICKS:
        values.pop("judged_ndcg@10")  # what was not clicked is not judged
    return {
        name: dict(zip(("value", "low", "high"), bootstrap_interval(v), strict=True))
        for name, v in values.items()
    }


def _champion(
    run: Run, judged: Judged, retriever: Retriever, queries: np.ndarray
) -> tuple[list[list[int]] | None, str]:
    """The champion's lists of the same test queries, which no run is trained on; else why not."""
    if run.champion is None:
        return None, NO_CHAMPION
    try:
        encoder, ranker, cross = load_champion(run.champion, run.config.text.max_tokens)
    except (ConfigError, CheckpointError) as error:
        return None, f"the champion cannot be read: {error}"
    texts = search_encoder.SearchTexts.of(run, judged, encoder, "Check")
    lists = lists_of(retriever.with_vectors(texts.vectors()), ranker, queries, cross)
    return lists["fused" if ranker is None else "reranked" if cross else "ranked"], ""


def load_champion(
    folder: Path, max_tokens: int
) -> tuple[TextEncoder, SearchRanker | None, CrossEncoder | None]:
    """Encoder, ranker and cross-encoder of a search checkpoint. Raises ConfigError or
    CheckpointError.
    """
    read_run(folder)
    encoder = TextEncoder.load(str(folder / "encoder"), max_tokens)
    try:
        return encoder, load_ranker(folder), load_cross_encoder(folder, threads=0)
    except Exception as error:  # lightgbm, onnxruntime and tokenizers raise their own types
        raise CheckpointError(f"{folder.name}: {error}") from error
