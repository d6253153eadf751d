"""A/B tests between models: assignment, validation, exposures."""

import shutil

import pytest

from recommender.experiments.assignment import arm_of
from recommender.infrastructure import process_caches
from recommender.models import Placement, ServedList
from recommender.serving.exposure_log import exposure_buffer
from tests.api.request_bodies import ask, field_of


def test_an_experiment_gives_each_shopper_one_arm_for_good(live_shop, api, register):
    second = register(live_shop)
    arms = [
        {"name": "A", "share": 0.5, "model_version": None},
        {"name": "B", "share": 0.5, "model_version": second.label},
    ]
    experiment = {"key": "home-2026", "arms": arms}
    reply = api("patch", "placements/home_top", {"experiment": experiment})
    assert reply.json()["experiment"] == experiment
    process_caches.clear_all()
    seen = {}
    for _ in range(2):
        for n in range(40):
            body = ask(api, user_id=f"shopper-{n:03d}").json()
            arm = body["experiment"]["arm"]
            assert seen.setdefault(n, arm) == arm and body["experiment"]["key"] == "home-2026"
            expected = second.label if arm == "B" else live_shop.champion().label
            assert body["model_version"] in (expected, None)
    assert 8 < sum(arm == "A" for arm in seen.values()) < 32
    page = ask(api, user_id="shopper-000").json()
    more = api("post", "recommendations", {"next": page["next"]}).json()
    assert more["experiment"] == page["experiment"]
    exposure_buffer.flush()
    assert set(ServedList.objects.values_list("experiment", flat=True)) == {
        "home-2026:A",
        "home-2026:B",
    }
    batch = {"placement": "home_top", "user_ids": [f"shopper-{n:03d}" for n in range(40)]}
    lists = api("post", "recommendations:batch", batch).json()["lists"]
    assert [part["experiment"]["arm"] for part in lists] == list(seen.values())
    rows = api("get", "analytics?by=experiment").json()["rows"]
    assert {row["experiment"] for row in rows} == {"home-2026:A", "home-2026:B"}
    assert ask(api, user_id=None).json()["experiment"] is None
    assert api("patch", "placements/home_top", {"experiment": None}).json()["experiment"] is None


def test_arms_are_drawn_by_their_shares_and_independently():
    arms = [{"name": n, "share": s, "version": None} for n, s in (("A", 0.1), ("B", 0.9))]
    first, second = {"key": "one", "arms": arms}, {"key": "two", "arms": arms}
    people = [f"u-{i}" for i in range(20_000)]
    in_a = {p for p in people if arm_of(first, p).name == "A"}
    assert 1_800 < len(in_a) < 2_200
    both = {p for p in in_a if arm_of(second, p).name == "A"}
    assert 140 < len(both) < 270
    assert arm_of({}, "u-1") is None and arm_of(first, None) is None


@pytest.mark.parametrize(
    ("experiment", "field"),
    [
        ({"key": "x"}, "experiment.arms"),
        ({"key": "X Y", "arms": [{"name": "A", "share": 1}] * 2}, "experiment.key"),
        ({"key": "x", "arms": [{"name": "A", "share": 1}]}, "experiment.arms"),
        ({"key": "x", "arms": [{"name": "A", "share": 0.5}] * 2}, "experiment.arms"),
        (
            {"key": "x", "arms": [{"name": "A", "share": 0.5}, {"name": "B", "share": 0.4}]},
            "experiment.arms",
        ),
        (
            {
                "key": "x",
                "arms": [
                    {"name": "A", "share": 0.5, "model_version": "fusion@99"},
                    {"name": "B", "share": 0.5},
                ],
            },
            "experiment.arms[0].model_version",
        ),
    ],
)
def test_a_wrong_experiment_names_its_place(live_shop, api, experiment, field):
    reply = api("patch", "placements/home_top", {"experiment": experiment})
    assert field_of(reply).startswith(field.partition("[")[0])
    assert not Placement.objects.get(key="home_top", shop=live_shop).experiment


def test_the_session_of_a_shopper_has_their_arm(live_shop, api, register):
    second = register(live_shop)
    arms = [
        {"name": "A", "share": 0.5, "model_version": None},
        {"name": "B", "share": 0.5, "model_version": second.label},
    ]
    api("patch", "placements/home_top", {"experiment": {"key": "x", "arms": arms}})
    process_caches.clear_all()
    from recommender.serving.shop_state import state_of

    state_of(live_shop).placement("home_top")
    assert state_of(live_shop).placements.chosen_versions() == {second.pk}
    for n in range(12):
        user_id, session = f"shopper-{n:03d}", f"session-{n}"
        api("patch", f"users/{user_id}", {"merged_from": [session]})
        named = ask(api, user_id=user_id).json()["experiment"]
        assert ask(api, user_id=None, session_id=session).json()["experiment"] == named


def test_an_arm_whose_model_cannot_serve_is_not_counted(live_shop, api, register, checkpoints):
    second = register(live_shop)
    arms = [{"name": n, "share": s, "model_version": second.label} for n, s in (("A", 1), ("B", 0))]
    api("patch", "placements/home_top", {"experiment": {"key": "x", "arms": arms}})
    shutil.rmtree(checkpoints / second.folder)
    process_caches.clear_all()
    reply = ask(api, session_id="s").json()
    assert reply["model_version"] == live_shop.champion().label and reply["experiment"] is None
