"""The gate: which version may become champion."""

import pytest

from recommender.model_lifecycle import gate, promotion
from recommender.model_lifecycle.report_labels import compare


@pytest.mark.parametrize(
    ("own_value", "champion", "popularity", "passed"),
    [
        (0.4, None, 0.1, True),
        (0.1, None, 0.1, False),
        (0.4, 0.39, 0.1, True),
        (0.4, 0.41, 0.1, False),
    ],
)
def test_the_gate_compares_with_the_champion_or_with_popularity(
    own_value, champion, popularity, passed
):
    systems = {"vitrine": own_value, "popularity": popularity, "popularity_30d": 0.05} | (
        {"champion": champion} if champion else {}
    )
    report = {
        "protocol": {"days": 31},
        "all": {"systems": {k: {"ndcg@10": {"value": v}} for k, v in systems.items()}},
    }
    result, reason = gate.gate(report)
    assert result is passed and f"{own_value:.4f}" in reason


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({}, ""),
        ({"least_group_quality": 0.5, "least_tail_shown": 0.2}, ""),
        (
            {"least_group_quality": 0.8},
            "the group “country: FR” gets 60% of everybody’s NDCG@10, less than 80%",
        ),
        (
            {"least_tail_shown": 0.4},
            "products outside the best-selling fifth get 30% of the places, less than 40%",
        ),
    ],
)
def test_a_shops_limits_fail_the_gate(shop, limits, says):
    for name, value in limits.items():
        setattr(shop, name, value)
    groups = {"country: FR": {"of_all": 0.6}, "country: DE": {"of_all": 1.1}}
    bands = {"head": {"shown": 0.7}, "tail": {"shown": 0.25}, "unsold": {"shown": 0.05}}
    assert gate.unfairness({"fairness": {"groups": groups, "bands": bands}}, shop) == says
    assert gate.unfairness({}, shop) == ""


@pytest.mark.parametrize(
    ("promote", "status"),
    [
        ("ask", "candidate"),
        ("never", "candidate"),
        ("if-better", "champion"),
        ("always", "champion"),
    ],
)
def test_what_follows_the_gate(stocked, register, promote, status):
    version = register(stocked)
    promotion.decide(version, promote)
    version.refresh_from_db()
    assert version.gate_passed and version.status == status


@pytest.mark.parametrize("promote", ["ask", "if-better", "if-not-worse"])
def test_what_breaks_the_shops_limits_is_not_promoted(stocked, register, promote):
    stocked.least_tail_shown = 1.0
    stocked.save()
    version = register(stocked)
    version.report["fairness"] = {
        "groups": {},
        "bands": {"head": {"shown": 0.7}, "tail": {"shown": 0.3}},
    }
    assert gate.is_better(version.report)
    promotion.decide(version, promote)
    version.refresh_from_db()
    assert (
        not version.gate_passed
        and version.status == ("candidate" if promote == "ask" else "refused")
        and stocked.champion() is None
    )


def measured(up=True, also=(), **systems):
    """A report with (low, value, high) of each system."""
    systems = {
        name: {"ndcg@10": dict(zip(("low", "value", "high"), values, strict=True))}
        for name, values in systems.items()
    }
    deciding = {
        "measure": "ndcg@10",
        "system": "vitrine",
        "baseline": "popularity_30d",
        "also": list(also),
        "part": "all",
        "higher_is_better": up,
    }
    return {"primary": deciding, "all": {"systems": systems}}


def test_intervals_that_overlap_tell_no_difference():
    assert (
        compare(measured(vitrine=(0.35, 0.4, 0.45), popularity_30d=(0.30, 0.35, 0.40))).outcome
        == "unclear"
    )
    assert (
        compare(measured(vitrine=(0.41, 0.43, 0.45), popularity_30d=(0.30, 0.35, 0.40))).outcome
        == "better"
    )
    assert (
        compare(measured(vitrine=(0.20, 0.25, 0.29), popularity_30d=(0.30, 0.35, 0.40))).outcome
        == "worse"
    )


def test_the_best_of_the_baselines_decides():
    matches = compare(
        measured(
            also=["popularity"],
            vitrine=(0.3, 0.31, 0.32),
            popularity_30d=(0.1, 0.11, 0.12),
            popularity=(0.4, 0.41, 0.42),
        )
    )
    assert (matches.rival, matches.outcome) == ("popularity", "worse")


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(-0.1, 0.2, "unclear"), (0.1, 0.2, "worse"), (-0.2, -0.1, "better")],
)
def test_where_less_is_better_the_difference_is_turned_round(low, high, outcome):
    report = measured(up=False, vitrine=(0.4, 0.5, 0.6), popularity_30d=(0.4, 0.5, 0.6))
    report["all"]["differences"] = {
        "popularity_30d": {"low": low, "value": (low + high) / 2, "high": high}
    }
    assert compare(report).outcome == outcome


def test_a_worse_version_is_refused_unless_always(stocked, register):
    version = register(stocked)
    version.report["all"]["systems"]["champion"] = {"ndcg@10": {"value": 0.99}}
    promotion.decide(version, "if-better")
    version.refresh_from_db()
    assert version.status == "refused" and "Worse than the champion" in version.gate_reason


def test_a_champion_that_could_not_be_compared_is_not_replaced_by_itself(stocked, register):
    register(stocked).promote()
    version = register(stocked)
    version.report["champion"] = {"compared": False, "reason": "the champion cannot be read: x"}
    promotion.decide(version, "if-better")
    version.refresh_from_db()
    assert (
        version.status == "refused"
        and "could not be compared" in version.gate_reason
        and stocked.champion().number == 1
    )


def judged(own_value, theirs, difference=None, rival="champion", up=True):
    """A report with (value, low, high) of the version and of its rival, and of their difference."""

    def bounds(values):
        return dict(zip(("value", "low", "high"), values, strict=False))

    part = {
        "systems": {"vitrine": {"ndcg@10": bounds(own_value)}, rival: {"ndcg@10": bounds(theirs)}}
    }
    if difference:
        part["differences"] = {rival: bounds(difference)}
    deciding = {
        "measure": "ndcg@10",
        "system": "vitrine",
        "baseline": "popularity_30d",
        "part": "all",
        "higher_is_better": up,
    }
    return {"protocol": {"days": 31}, "all": part, "primary": deciding}


@pytest.mark.parametrize(
    ("report", "passed", "better", "says"),
    [
        (
            judged((0.39, 0.37, 0.41), (0.38, 0.36, 0.40), (0.01, 0.004, 0.016)),
            True,
            True,
            "Better than the champion: NDCG@10 0.390 against 0.380.",
        ),
        (
            judged((0.39, 0.37, 0.41), (0.38, 0.36, 0.40), (0.01, -0.002, 0.02)),
            True,
            False,
            "No clear difference from the champion",
        ),
        (
            judged((0.37, 0.35, 0.39), (0.38, 0.36, 0.40), (-0.01, -0.02, -0.001)),
            False,
            False,
            "Worse than the champion",
        ),
        (judged((0.39, 0.37, 0.41), (0.38, 0.36, 0.40)), True, False, "No clear difference"),
        (
            judged((0.39, 0.37, 0.41), (0.14, 0.12, 0.16), (0.25, 0.2, 0.3), "popularity_30d"),
            True,
            True,
            "Better than popularity",
        ),
        (
            judged((0.15, 0.13, 0.17), (0.14, 0.12, 0.16), (0.01, -0.01, 0.03), "popularity_30d"),
            False,
            False,
            "No clear difference from popularity",
        ),
        (
            judged((0.5, 0.4, 0.6), (0.9, 0.8, 1.0), (-0.4, -0.5, -0.3), up=False),
            True,
            True,
            "Better than the champion",
        ),
    ],
)
def test_better_is_only_what_is_better_by_more_than_chance_and_all_say_the_same(
    report, passed, better, says
):
    from recommender.console.models import leaderboard

    result, reason = gate.gate(report)
    assert (result, gate.is_better(report)) == (passed, better) and says in reason
    assert leaderboard.verdict(report) in reason, "the gate's sentence is the page's"


@pytest.mark.parametrize(
    ("own_value", "bought_again", "paired", "says"),
    [
        (
            0.39,
            0.34,
            (0.05, 0.03, 0.07),
            (
                "The strongest baseline is buying again what was bought, 0.340: this version is "
                "better."
            ),
        ),
        (
            0.39,
            0.38,
            (0.01, -0.01, 0.03),
            (
                "The strongest baseline is buying again what was bought, 0.380: the difference "
                "is not clear."
            ),
        ),
        (
            0.36,
            0.39,
            (-0.03, -0.05, -0.01),
            "The strongest baseline is buying again what was bought, 0.390: this version is worse.",
        ),
        (0.39, 0.10, (0.29, 0.2, 0.3), ""),
    ],
)
def test_the_strongest_baseline_is_named_beside_the_one_that_decides(
    own_value, bought_again, paired, says
):
    from recommender.console.models import leaderboard

    report = judged(
        (own_value, own_value - 0.02, own_value + 0.02),
        (0.14, 0.12, 0.16),
        (0.25, 0.2, 0.3),
        "popularity_30d",
    )
    body = report["all"]
    body["systems"]["buy_again"] = {
        "ndcg@10": {"value": bought_again, "low": bought_again - 0.02, "high": bought_again + 0.02}
    }
    body["differences"]["buy_again"] = dict(zip(("value", "low", "high"), paired, strict=True))
    assert (
        leaderboard.verdict(report).startswith("Better than popularity:")
        and leaderboard.strongest(report) == says
    )


@pytest.mark.parametrize(
    ("promote", "status"),
    [("if-better", "candidate"), ("if-not-worse", "champion"), ("ask", "candidate")],
)
def test_noise_is_not_promoted_as_better_but_a_nights_training_may_serve(
    stocked, register, promote, status, monkeypatch
):
    version = register(stocked)
    version.report = judged((0.39, 0.37, 0.41), (0.38, 0.36, 0.40), (0.01, -0.002, 0.02))
    version.save()
    promotion.decide(version, promote)
    version.refresh_from_db()
    assert version.status == status and version.gate_passed


def test_a_report_holds_the_differences_of_each_shopper(live_shop):
    report = live_shop.champion().report
    for part in ("all", "discovery"):
        systems, matches = report[part]["systems"], report[part]["differences"]
        assert set(matches) == set(systems) - {"vitrine"}
        for name, measure in matches.items():
            expected = systems["vitrine"]["ndcg@10"]["value"] - systems[name]["ndcg@10"]["value"]
            assert (
                measure["value"] == pytest.approx(expected, abs=1e-9)
                and measure["low"] <= measure["value"] <= measure["high"]
            )
