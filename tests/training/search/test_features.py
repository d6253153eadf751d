"""Features of candidates: what they say of words, places, meaning and the shop."""

import numpy as np
import pytest

from tests.training.search.shop import DOCUMENTS
from training.candidates.text_similarity import TextSpace
from training.search.engine import retrieve
from training.search.features import FEATURES, GROUPS, ShopSignals, features
from training.search.index_writer import build
from training.search.query_plan import plan_query
from training.search.semantic import SemanticIndex, mean_vectors


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return build(tmp_path_factory.mktemp("features") / "index", DOCUMENTS, ("en",))


@pytest.fixture(scope="module")
def vectors():
    """(titles, whole texts) (11, 8) of unit length."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(2, len(DOCUMENTS) + 1, 8)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def rows(index, query, *more):
    """Features by name, by key."""
    plan = plan_query(index, query)
    candidates = retrieve(index, plan)
    made = features(index, plan, candidates, *more)
    return {
        int(key): dict(zip(FEATURES, row.tolist(), strict=True))
        for key, row in zip(candidates.keys, made, strict=True)
    }


def test_words_and_their_places_in_the_title(index):
    found = rows(index, "red leather jacket")
    whole, part = found[1], found[2]  # Red leather jacket, Blue denim jacket
    assert whole["title_coverage"] == pytest.approx(1) and whole["matched_all"] == 1
    assert 0 < part["title_coverage"] < 1 and part["missing_best"] > 0
    assert whole["title_pairs"] == 1 and part["title_pairs"] == 0
    assert (whole["title_first"], whole["title_span"], whole["title_last"]) == (0, 0, 0)
    assert (part["title_first"], part["title_last"]) == (2, 0)
    assert whole["title_trigrams"] > part["title_trigrams"] > 0
    assert whole["query_words"] == 3 and np.isnan(whole["cosine"])


def test_a_word_of_the_description_counts_there_alone(index):
    cable = rows(index, "iphone")[5]
    assert cable["description_coverage"] == pytest.approx(1)
    assert cable["title_coverage"] == 0 and cable["title_first"] == -1


def test_cosines_to_title_and_whole_text(index, vectors):
    titles, whole = vectors
    keys = np.arange(len(titles))
    semantic = SemanticIndex(keys, TextSpace(mean_vectors(titles, whole)), titles)
    query = titles[3]
    for key, row in rows(index, "iphone 15 black jacket", semantic, query).items():
        assert row["title_cosine"] == pytest.approx(titles[key] @ query, abs=1e-5)
        assert row["whole_cosine"] == pytest.approx(whole[key] @ query, abs=1e-5)


def test_the_shop_signals(index):
    plan = plan_query(index, "jacket")
    candidates = retrieve(index, plan)
    unknown = np.full(2, np.nan, np.float32)
    shop = ShopSignals(np.array([0, np.nan]), np.array([10.0, 90.0]), unknown, np.array([1, 0]))
    made = features(index, plan, candidates, shop=shop)
    columns = {name: made[:, i] for i, name in enumerate(FEATURES)}
    assert columns["popularity"][0] == 0 and np.isnan(columns["popularity"][1])
    assert columns["price_z"].tolist() == pytest.approx([-1, 1])
    assert columns["in_stock"].tolist() == [1, 0] and np.isnan(columns["freshness"]).all()


def test_every_feature_has_a_group():
    assert len(GROUPS) == len(FEATURES)
    assert dict(zip(FEATURES, GROUPS, strict=True))["whole_cosine"] == "meaning"
