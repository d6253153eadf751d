"""Models: pages of versions, leaderboards, promotion."""

import pytest

from recommender.models import Change, TrainingRun


def test_promote_and_roll_back_in_one_click(live_shop, staff, register, monkeypatch):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    register(live_shop)
    staff.post("/console/s/tiny/models/2/promote/")
    assert live_shop.champion().number == 2 and live_shop.champion().promoted_by.username == "boss"
    assert "Roll back to v1" in staff.get("/console/s/tiny/models/").content.decode()
    staff.post("/console/s/tiny/models/rollback/")
    assert live_shop.champion().number == 1


REPORTS = {
    "rating": {
        "primary": {
            "measure": "mse",
            "system": "text_after",
            "baseline": "text_before",
            "higher_is_better": False,
        },
        "protocol": {"train": 90, "test": 10},
        "data": {"digest": "sha256:1"},
        "chosen": {"text.steps": 9},
        "systems": {
            "text_after": {"mse": {"value": 0.3, "low": 0.2, "high": 0.4}, "mae": {"value": 0.4}},
            "mean": {"mse": {"value": 1.1}},
        },
        "robustness": {"typos": {"mse": 0.35}},
        "trials": [
            {"number": 0, "state": "complete", "value": -0.3, "fields": {"learning_rate": 1e-4}}
        ],
    },
    "incremental": {
        "primary": {
            "measure": "ndcg@10",
            "system": "incremental",
            "baseline": "champion",
            "part": "new",
            "higher_is_better": True,
        },
        "protocol": {"cut": "2026-05-01", "days": 31},
        "data": {"digest": "sha256:1"},
        "new": {
            "systems": {
                "incremental": {"ndcg@10": {"value": 0.2}},
                "champion": {"ndcg@10": {"value": 0.1}},
            }
        },
        "old": {"systems": {}},
    },
    "behaviour": {
        "primary": {
            "measure": "auc",
            "system": "text_after",
            "baseline": "history",
            "higher_is_better": True,
        },
        "protocol": {},
        "data": {"digest": "x"},
        "systems": {
            "text_after": {"auc": {"value": 0.8, "low": 0.7, "high": 0.9}},
            "history": {"auc": {"value": 0.75, "low": 0.7, "high": 0.8}},
        },
        "click": {"probability": None, "reason": "0 impressions are too few"},
    },
}


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (
            "rating",
            [
                "Mean squared error",
                "With typing mistakes",
                "learning_rate = 0.0001",
                "trained on 90 texts",
            ],
        ),
        ("incremental", ["New data", "Old data", "Better than the champion"]),
        (
            "behaviour",
            [
                "No clear difference from buying habits alone",
                "not predicted yet: 0 impressions are too few",
            ],
        ),
    ],
)
def test_versions_of_every_kind_have_their_page(shop, staff, checkpoints, recipe, says):
    from recommender.inference import training_options
    from recommender.models import ModelVersion

    run = TrainingRun.objects.create(shop=shop, recipe=recipe, status="finished")
    purpose = training_options.purpose_of(recipe)
    version = ModelVersion.objects.register(run, "nowhere", REPORTS[recipe], purpose)
    pages = [f"models/{version.number}/", f"models/?of={version.purpose}", f"runs/{run.pk}/"]
    texts = [staff.get(f"/console/s/tiny/{p}") for p in pages]
    assert [t.status_code for t in texts] == [200, 200, 200]
    whole = "".join(t.content.decode() for t in texts)
    assert [word for word in says if word not in whole] == []


def test_the_axis_of_intervals_begins_where_the_systems_do_and_a_rankings_at_zero():
    from recommender.console.models import leaderboard

    decision = {"system": "text_after", "baseline": "words", "higher_is_better": True}
    systems = {
        "text_after": {"value": 0.97, "low": 0.96, "high": 0.98},
        "words": {"value": 0.95, "low": 0.94, "high": 0.96},
    }
    for measure, begins in (("auc", 4.5), ("ndcg@10", 91.3)):
        report = {
            "primary": decision | {"measure": measure},
            "systems": {name: {measure: m} for name, m in systems.items()},
        }
        first, second = leaderboard.board(report).rows
        assert (
            second.left == pytest.approx(begins, abs=0.1)
            and second.left < second.at < first.at < 100
        )
        assert leaderboard.verdict(report) == (
            f"No clear difference from words alone: {leaderboard.MEASURES[measure]} 0.970 "
            "against 0.950."
        )


def test_disturbed_texts_stand_in_one_order_whatever_the_database_keeps():
    from recommender.console.models import leaderboard

    report = {
        "robustness": {
            "case": {"ndcg@10": 0.1},
            "as_written": {"ndcg@10": 0.3},
            "typos": {"ndcg@10": 0.2},
        }
    }
    assert [row["value"] for row in leaderboard.robustness_rows(report)] == [0.3, 0.2, 0.1]


def test_to_promote_what_serves_changes_nothing(live_shop, staff, register, monkeypatch):
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda *_: pytest.fail("lists are computed again without need"),
    )
    version, changes = live_shop.champion(), Change.objects.count()
    assert staff.post(f"/console/s/tiny/models/{version.number}/promote/").status_code == 302
    after = live_shop.champion()
    assert (after.promoted_at, after.promoted_by) == (
        version.promoted_at,
        version.promoted_by,
    ) and Change.objects.count() == changes


def test_a_roll_back_to_a_broken_version_says_so(
    live_shop, staff, register, api, checkpoints, monkeypatch
):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    first = live_shop.champion()
    register(live_shop).promote()
    (checkpoints / first.folder / "items.txt").unlink()
    reply = staff.post("/console/s/tiny/models/rollback/", {"purpose": "ranking"}, follow=True)
    assert "The earlier version cannot serve" in reply.content.decode()
    assert api("post", "models/rollback", {"purpose": "ranking"}).status_code == 409
