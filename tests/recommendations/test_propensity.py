"""POST predictions, by a real behavior model of the tiny shop."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from recommender.models import Event, ModelVersion, Shopper
from tests import stocked_shop


@pytest.fixture(scope="session")
def behaviour_checkpoint(tmp_path_factory, tiny_snapshot, tiny_encoder):
    from training.configuration.recipes import make_config
    from training.data.snapshot import read_snapshot
    from training.fit import fit, new_progress
    from training.runs.run import Run

    fields = {
        "text.encoder": str(tiny_encoder),
        "text.steps": 4,
        "text.epochs": 0,
        "text.evaluate_every": 2,
        "text.batch_size": 16,
        "text.frozen_layers": 1,
        "horizon_days": 20,
        "pairs": 400,
        "judged_pairs": 800,
    }
    folder = tmp_path_factory.mktemp("behaviour")
    progress = new_progress(folder / "progress.jsonl", "behaviour", quiet=True)
    fit(
        Run(read_snapshot(tiny_snapshot), "behaviour", make_config("behaviour", fields), progress),
        folder / "checkpoint",
    )
    progress.close()
    return folder / "checkpoint"


@pytest.fixture
def predicting(live_shop, behaviour_checkpoint, checkpoints):
    stocked_shop.register(live_shop, behaviour_checkpoint, "behaviour").promote()
    return live_shop


def predict(api, **fields):
    reply = api("post", "predictions", fields)
    assert reply.status_code == 200, reply.content
    return reply.json()


def test_what_was_bought_before_is_likelier_to_be_bought(predicting, api):
    bought_ids = Event.objects.filter(shopper__user_id="shopper-003").values_list(
        "product__item_id", flat=True
    )
    others = predicting.products.exclude(item_id__in=bought_ids).values_list("item_id", flat=True)
    wanted = [*dict.fromkeys(bought_ids)][:10] + list(others)[:10]
    reply = predict(api, user_id="shopper-003", item_ids=[*wanted, "no-such"])
    assert [p["item_id"] for p in reply["predictions"]] == wanted and reply["unknown"] == [
        "no-such"
    ]
    predicted = [p["purchase"] for p in reply["predictions"]]
    assert all(0 < p < 1 for p in predicted) and sum(predicted[:10]) > sum(predicted[10:])
    assert (
        reply["horizon_days"] == 20
        and reply["known_shopper"]
        and reply["model_version"].startswith("behaviour@")
    )
    assert {p["click"] for p in reply["predictions"]} == {None}


def test_somebody_new_has_the_probabilities_of_somebody_new(predicting, api):
    Shopper.objects.filter(user_id="shopper-003").update(consent_personalisation=False)
    wanted = list(predicting.products.values_list("item_id", flat=True)[:5])
    new = predict(api, user_id="nobody", item_ids=wanted)
    without_consent = predict(api, user_id="shopper-003", item_ids=wanted)
    assert not new["known_shopper"] and new["predictions"] == without_consent["predictions"]


def test_a_broken_model_is_named(predicting, api, checkpoints):
    (checkpoints / ModelVersion.objects.get(purpose="behaviour").folder / "head.json").unlink()
    reply = api("post", "predictions", {"item_ids": ["LA/0"]})
    assert reply.status_code == 409 and "head.json" in reply.json()["detail"]


def test_doctor_looks_at_champions_by_their_purpose(predicting, checkpoints):
    version, out = ModelVersion.objects.get(purpose="behaviour"), StringIO()
    call_command("doctor", stdout=out)
    assert f"ok    champion {version.label}" in out.getvalue() and "WRONG" not in out.getvalue()
    (checkpoints / version.folder / "head.json").unlink()
    with pytest.raises(CommandError, match="1 of these"):
        call_command("doctor", stdout=out)
    assert f"WRONG champion {version.label}" in out.getvalue()
