"""Shoppers over REST: consent and erasure."""

from recommender.models import Event, Shopper
from tests.api.request_bodies import ask


def test_deleting_a_user_erases_their_events_and_lists(live_shop, api):
    assert api("delete", "users/shopper-003").status_code == 200
    assert (
        not Event.objects.filter(shopper__user_id="shopper-003").exists()
        and not Shopper.objects.filter(user_id="shopper-003").exists()
    )
    assert ask(api).json()["fallback"] == {"used": True, "kind": "popular"}
    assert api("delete", "users/shopper-003").status_code == 404


def test_a_users_consent_is_kept_and_obeyed(live_shop, api):
    assert (
        api(
            "put",
            "users/shopper-003",
            {"attributes": {"country": "SE"}, "consent": {"personalisation": False}},
        ).status_code
        == 200
    )
    assert api("get", "users/shopper-003").json()["consent"] == {
        "personalisation": False,
        "training": True,
    }
    assert ask(api).json()["fallback"]["kind"] == "no_consent"
    assert api("put", "users/shopper-003", {"consent": {"sharing": True}}).status_code == 400


def test_a_blank_consent_is_refused_and_an_older_no_stays(live_shop, api):
    api("put", "users/shopper-003", {"consent": {"training": False}})
    assert api("put", "users/shopper-003", {"consent": {"training": None}}).status_code == 400
    api("put", "users/shopper-003", {"attributes": {"a": "b"}})
    assert Shopper.objects.get(user_id="shopper-003").consent_training is False
