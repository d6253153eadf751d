"""Quality of search on CrowdFlower's judgments: five folds by query, all figures on test queries.

Per fold the recipe `search` learns from the other four with its defaults. `judged` ranks the judged
products of a query, `full` all products, of which unjudged ones are worth nothing.
"""

import functools
import json
import random
from pathlib import Path

import numpy as np
import polars as pl

from bench.__main__ import measure
from bench.fits import KEPT, crowdflower, sources
from training.configuration.text_recipes import SearchConfig
from training.data.snapshot import Snapshot, read_snapshot
from training.fit import new_progress
from training.metrics.ranking import bootstrap_interval
from training.metrics.search import measures_of
from training.recipes.search_cross_encoder import fit_cross_encoder
from training.recipes.search_encoder import SearchEncoder
from training.recipes.search_judgements import TEST, Judged, read_judged
from training.recipes.search_ranking import (
    Retriever,
    learned_from,
    lexical_index,
    lists_of,
    rows_of,
)
from training.runs.run import Run
from training.search.clicks import fit_clicks
from training.search.engine import retrieve
from training.search.features import features
from training.search.lexical import LexicalIndex
from training.search.query_plan import plan_query
from training.search.ranker import RANKED_MOST, RankerConfig, grades_of, ranked_order, train_ranker

FOLDS = 5
MEASURES = {
    "judged_ndcg@10": "judged_ndcg@10",
    "full_ndcg@10": "ndcg@10",
    "full_recall@50": "recall@50",
}
SYSTEMS = {
    "words": "lexical",
    "text": "semantic",
    "fused": "fused",
    "ranked": "ranked_without_cross_encoder",
    "reranked": "ranked",
}
SESSIONS, SHOWN, NOISE = 100, 20, 0.1
"""Simulated clicks: results shown per query, products of each, clicks on irrelevant products."""


def _values() -> dict:
    """Values of each measure by system, of the test queries of all folds; kept for this code."""
    folder = KEPT / sources() / "search"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"quality-{fold}.json" for fold in range(FOLDS)]
    if missing := [fold for fold, file in enumerate(files) if not file.exists()]:
        _measure(missing, files)
    return functools.reduce(_joined, [json.loads(file.read_text()) for file in files])


def _joined(one: dict, other: dict) -> dict:
    """The values of both, by the same names."""
    return {
        name: _joined(value, other[name]) if isinstance(value, dict) else value + other[name]
        for name, value in one.items()
    }


def by_query(system: str, name: str) -> dict[str, float]:
    """A measure of a system by query."""
    values = _values()
    return dict(zip(values["queries"], values[system][name], strict=True))


def run() -> dict[str, dict]:
    values = _values()
    measures = {}
    for system in SYSTEMS.values():
        for name in MEASURES:
            mean, low, high = bootstrap_interval(np.array(values[system][name], dtype=float))
            key, base = f"{system}.{name}", np.array(values["lexical"][name], dtype=float)
            measures[key] = measure(mean, name, float(np.nanmean(base)))
            measures[f"{key}.low"], measures[f"{key}.high"] = (
                measure(low, name),
                measure(high, name),
            )
    for name, base in (
        ("typo", "ranked_without_cross_encoder"),
        ("typo_lexical", "lexical"),
    ):
        kept_share = np.nanmean(np.array(values[name], dtype=float)) / np.nanmean(
            np.array(values[base]["full_ndcg@10"], dtype=float)
        )
        measures[f"{name}.full_ndcg_kept"] = measure(kept_share, "share", 1.0)
    grades = float(np.nanmean(np.array(values["grades"], dtype=float)))
    for name in ("clicks_vs_grades", "clicks_without_bias_model_vs_grades"):
        value = float(np.nanmean(np.array(values[name], dtype=float)))
        measures[name] = measure(value / grades, "ratio", 1.0)
    weights = values["cross_encoder_weight"]
    measures["cross_encoder_weight"] = measure(float(np.mean(weights)), "weight")
    measures["fine_tuned_share"] = measure(float(np.mean(values["share"])), "share")
    return measures


def _empty() -> dict:
    values: dict = {system: {name: [] for name in MEASURES} for system in SYSTEMS.values()}
    values |= {"typo": [], "typo_lexical": [], "share": [], "grades": []}
    values |= {"cross_encoder_weight": [], "queries": []}
    values |= {"clicks_vs_grades": [], "clicks_without_bias_model_vs_grades": []}
    return values


def _measure(folds: list[int], files: list[Path]) -> None:
    """Write the values of these folds, each into its file."""
    snapshot = read_snapshot(crowdflower())
    table = snapshot.tables["judgements"]
    with lexical_index(snapshot) as index:
        for fold in folds:
            rotated = table.with_columns(fold=(pl.col("fold") - fold) % FOLDS)
            snapshot.tables["judgements"] = rotated
            values = _empty()
            _fold(snapshot, index, values)
            files[fold].write_text(json.dumps(values))
            print(f"fold {fold + 1} of {FOLDS}: {_means(values)}", flush=True)


def _means(values: dict) -> dict[str, float]:
    return {
        system: round(float(np.nanmean(values[system]["judged_ndcg@10"])), 4)
        for system in SYSTEMS.values()
    }


def _fold(snapshot: Snapshot, index: LexicalIndex, values: dict) -> None:
    progress = new_progress(None, "search", True)
    run = Run(snapshot, "search", SearchConfig(), progress, cache=KEPT / "states")
    judged = read_judged(run)
    test = judged.of(TEST)
    words = Retriever.of(index, snapshot, judged)
    encoder = SearchEncoder.load(run, judged)
    before = encoder.texts.vectors()
    encoder.cross_fit()
    values["share"].append(encoder.share)
    learned = learned_from(judged, words, encoder, before)
    ranker = learned.ranker(run.config)
    cross, _ = fit_cross_encoder(run, judged, learned)
    values["cross_encoder_weight"].append(cross.head.interpolation if cross else 0.0)
    clicked = _from_clicks(judged, words.with_vectors(before))
    after = encoder.finish()
    found = words.with_vectors(after)
    lists = lists_of(found, ranker, test, cross)
    lists["reranked"] = lists["reranked"] or lists["ranked"]
    lists["words"] = [words.candidates(query).keys.tolist() for query in test.tolist()]
    values["queries"] += [judged.queries[query] for query in test.tolist()]
    for system, name in SYSTEMS.items():
        for query, ranked in zip(test.tolist(), lists[system], strict=True):
            of_query = measures_of(ranked, judged.grades[query], judged.best)
            for measured, source in MEASURES.items():
                values[name][measured].append(of_query[source])
    for query in test.tolist():
        text = _edited(judged.queries[query], query)
        plan = plan_query(index, text)
        vector = encoder.encoder.encode([plan.meant])[0]
        candidates = retrieve(index, plan, found.semantic, vector)
        best = candidates.only(np.arange(min(RANKED_MOST, len(candidates))))
        shop = found.shop.of(best.keys)
        scores = ranker.score(features(index, plan, best, found.semantic, vector, shop))
        order = ranked_order(candidates, scores)
        values["typo"].append(_ndcg(judged, query, candidates.keys[order]))
        values["typo_lexical"].append(_ndcg(judged, query, retrieve(index, plan).keys))
    unseen = words.with_vectors(before)
    for name, of_clicks in clicked.items():
        for query in test.tolist():
            results = unseen.results(query)
            order = ranked_order(results.candidates, of_clicks.score(results.features))
            values[name].append(_ndcg(judged, query, results.candidates.keys[order]))


def _ndcg(judged: Judged, query: int, keys: np.ndarray) -> float:
    return measures_of(keys.tolist(), judged.grades[query], judged.best)["ndcg@10"]


def _edited(query: str, seed: int) -> str:
    """The query with one edit in its longest word: a letter left out, doubled, replaced by its
    neighbour in the alphabet, or exchanged with the next one.
    """
    draw = random.Random(seed)
    words = query.split()
    at = max(range(len(words)), key=lambda i: (words[i].isalpha(), len(words[i])))
    word = words[at]
    if len(word) < 3:
        return query
    i, kind = draw.randrange(1, len(word) - 1), seed % 4
    letter = chr((ord(word[i].lower()) - 96) % 26 + 97) if word[i].isalpha() else "x"
    edits = (
        word[:i] + word[i + 1 :],
        word[:i] + word[i] + word[i:],
        word[:i] + letter + word[i + 1 :],
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
    )
    words[at] = edits[kind]
    return " ".join(words)


def _from_clicks(judged: Judged, retriever: Retriever) -> dict:
    """Rankers learned from the grades, and from simulated clicks with and without the click model.

    The shopper looks at position k with probability 1 / k, and clicks on what is looked at with a
    probability that grows with the gain of its grade. Results are in the order of the words with
    noise, as if earlier versions had shown them.
    """
    numbers = np.flatnonzero(judged.part != TEST)
    results = [retriever.results(query) for query in numbers.tolist()]
    draw = np.random.default_rng(0)
    pairs: dict[tuple[int, int], int] = {}
    rows = []
    for at, one in enumerate(results):
        query, found = int(numbers[at]), one.candidates
        place = np.where(found.lexical_rank >= 0, found.lexical_rank, 10_000)
        shown = np.argsort(place, kind="stable")[: 2 * SHOWN]
        gain = [2 ** judged.grades[query].get(int(key), 0.0) - 1 for key in found.keys[shown]]
        relevance = NOISE + (0.9 - NOISE) * np.array(gain) / (2**judged.best - 1)
        for _ in range(SESSIONS):
            order = np.argsort(np.arange(len(shown)) + draw.normal(0, 3, len(shown)))[:SHOWN]
            clicked = draw.random(len(order)) < relevance[order] / np.arange(1, len(order) + 1)
            for position, (row, is_clicked) in enumerate(zip(order, clicked, strict=True)):
                key = (at, int(found.keys[shown[row]]))
                rows.append((pairs.setdefault(key, len(pairs)), position, is_clicked))
    pair, position, clicked = (np.array(column) for column in zip(*rows, strict=True))
    grades = {"grades": [judged.grades[query] for query in numbers.tolist()]}
    for name, unbiased in (
        ("clicks_vs_grades", True),
        ("clicks_without_bias_model_vs_grades", False),
    ):
        model = fit_clicks(pair, position, clicked, unbiased)
        highest = float(np.quantile(model.relevance, 0.99))
        labels: list[dict] = [{} for _ in results]
        for (at, key), i in pairs.items():
            labels[at][key] = min(model.relevance[i] / highest, 1.0)
        grades[name] = labels
    rankers = {}
    for name, labels in grades.items():
        best = max(max(of.values(), default=0.0) for of in labels)
        whole = [
            dict(zip(of, grades_of(list(of.values()), best).tolist(), strict=True)) for of in labels
        ]
        rankers[name] = train_ranker(rows_of(results, whole, 7), RankerConfig(seed=7))
    return rankers
