"""Consent and erasure: without it nothing is personal and nothing is learned; what is erased is
gone everywhere.
"""

import pytest
from django.utils import timezone

from recommender.models import (
    Conversation,
    Dialogue,
    Erasure,
    Event,
    Message,
    RecommendationList,
    Review,
    ServedList,
    Shopper,
    TrainingRun,
)
from recommender.recommendations import batch_scoring
from recommender.recommendations.precomputed import last_lists
from recommender.serving.exposure_log import exposure_buffer
from recommender.shoppers import erasure

WHO = "shopper-003"


@pytest.fixture
def known(live_shop, api):
    """A shopper with events, a stored and a kept list, served lists and a review."""
    batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    api("post", "recommendations", {"placement": "home_top", "user_id": WHO})
    exposure_buffer.flush()
    Review.objects.create(shop=live_shop, review_id="r-1", user_id=WHO, text="fine")
    return live_shop


@pytest.mark.parametrize("agrees", [True, False])
def test_a_sessions_list_is_not_made_of_what_a_signed_in_shopper_did_in_it(live_shop, api, agrees):
    item = live_shop.products.first()
    api("put", "users/ann", {"consent": {"personalisation": agrees}})
    event = {
        "type": "view",
        "session_id": "s-9",
        "item_id": item.item_id,
        "occurred_at": timezone.now().isoformat(),
    }
    assert (
        api("post", "events", {"events": [{**event, "event_id": "e-1", "user_id": "ann"}]}).json()[
            "accepted"
        ]
        == 1
    )
    body = {"placement": "home_top", "session_id": "s-9"}
    assert api("post", "recommendations", body).json()["fallback"]["kind"] != "session"
    assert api("post", "events", {"events": [{**event, "event_id": "e-2"}]}).json()["accepted"] == 1
    assert api("post", "recommendations", body).json()["fallback"]["kind"] == "session"


def test_erasing_leaves_nothing_but_a_receipt(known, api):
    events = Event.objects.filter(shopper__user_id=WHO).count()
    talk = Conversation.objects.create(shop=known, session_id="s-talk", user_id=WHO)
    answered = Message.objects.create(conversation=talk, author="person", text="x", adopted=True)
    Dialogue.objects.create(shop=known, dialogue_id=answered.adopted_id, text="a", answer="b")
    Conversation.objects.create(shop=known, session_id="s-other", user_id="somebody")
    reply = api("delete", f"users/{WHO}")
    assert reply.status_code == 200
    receipt = reply.json()
    assert (
        receipt["erased"]
        == {"events": events, "lists": 1, "served": 1, "queries": 0}
        | {"reviews": 1, "opinion_labels": 0, "conversations": 1}
        and receipt["caches"] == "cleared"
    )
    assert (
        not Shopper.objects.filter(user_id=WHO).exists()
        and not Review.objects.exists()
        and not ServedList.objects.exists()
    )
    assert not Dialogue.objects.exists() and Conversation.objects.get().user_id == "somebody"
    assert last_lists.last_list_of(known.pk, WHO) is None
    assert api("get", f"erasures/{receipt['receipt_id']}").json() == receipt
    assert WHO not in str(Erasure.objects.values().get())
    assert (
        api("get", f"users/{WHO}").status_code == 404 == api("delete", f"users/{WHO}").status_code
    )


def test_later_snapshots_do_not_know_the_erased(known, api, tmp_path):
    import polars as pl

    from recommender.model_lifecycle.snapshot_export import snapshot_shop

    api("delete", f"users/{WHO}")
    snapshot_shop(known, tmp_path / "snapshot")
    for name in ("events", "shoppers"):
        assert (
            WHO
            not in pl.read_parquet(tmp_path / "snapshot" / f"{name}.parquet")["user_id"].to_list()
        )


def test_a_stopped_run_does_not_go_on_with_the_erased(known, api):
    run = TrainingRun.objects.create(shop=known, status="cancelled")
    (run.folder / "snapshot").mkdir(parents=True)
    api("delete", f"users/{WHO}")
    assert not (run.folder / "snapshot").exists()


def test_caches_that_did_not_answer_are_cleared_later(known, api, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("recommender.shoppers.erasure.forget_lists", lambda *_: False)
        receipt = api("delete", f"users/{WHO}").json()
        assert receipt["caches"] == "pending" and erasure.finish_erasures() == 0
    assert last_lists.last_list_of(known.pk, WHO) is not None
    assert erasure.finish_erasures() == 1 and last_lists.last_list_of(known.pk, WHO) is None
    assert api("get", f"erasures/{receipt['receipt_id']}").json()["caches"] == "cleared"


def test_a_receipt_of_another_shop_is_none(known, api):
    from recommender.models import ApiKey, Shop

    receipt = api("delete", f"users/{WHO}").json()["receipt_id"]
    _, other = ApiKey.objects.issue(Shop.objects.create(key="other", name="Other"), "x", ["admin"])
    assert api("get", f"erasures/{receipt}", key=other).status_code == 404


def test_withdrawn_consent_takes_stored_and_kept_lists_along(
    known, api, django_capture_on_commit_callbacks
):
    assert RecommendationList.objects.filter(shopper__user_id=WHO).exists()
    with django_capture_on_commit_callbacks(execute=True):
        api("put", f"users/{WHO}", {"consent": {"personalisation": False}})
    assert (
        not RecommendationList.objects.filter(shopper__user_id=WHO).exists()
        and last_lists.last_list_of(known.pk, WHO) is None
    )
    reply = api("post", "recommendations", {"placement": "home_top", "user_id": WHO}).json()
    assert reply["fallback"]["kind"] == "no_consent"
    batch_scoring.score_shard(known.champion(), 0, 10**9)
    assert not RecommendationList.objects.filter(shopper__user_id=WHO).exists()


def test_nothing_is_counted_of_who_does_not_agree_to_training(stocked, api):
    from recommender.serving.shop_state import state_of

    rare = stocked.products.order_by("-item_id").first()
    shopper = Shopper.objects.create(shop=stocked, user_id="private", consent_training=False)
    for i in range(500):
        Event.objects.create(
            shop=stocked,
            event_id=f"p-{i}",
            shopper=shopper,
            product=rare,
            type="purchase",
            occurred_at=timezone.now(),
        )
    assert (
        state_of(stocked).bestsellers()[0] != rare.item_id
        and rare.item_id not in state_of(stocked).openers()
    )
