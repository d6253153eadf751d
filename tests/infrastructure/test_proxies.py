"""The client's address and scheme behind reverse proxies."""

import pytest

from recommender.api.http.throttling import within_rate
from recommender.infrastructure.proxies import apply_forwarded, networks_of, subscriber_of
from recommender.models import ApiKey

TRUSTED = networks_of("127.0.0.1, 10.0.0.0/8, 2001:db8:aa::/48")


def forwarded(
    peer: str, forwarded_for: str | None = None, scheme: str | None = None, trusted=TRUSTED
) -> tuple[str, str]:
    """(address, scheme)"""
    given = {"HTTP_X_FORWARDED_FOR": forwarded_for, "HTTP_X_FORWARDED_PROTO": scheme}
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"} | {
        k: v for k, v in given.items() if v is not None
    }
    apply_forwarded(environ, trusted)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.0.0.1", "10.3.3.3", "10.3.3.3"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::5]:443", "2001:db8::5"),
        ("2001:db8:aa::1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, unknown", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("198.51.100.9", "6.6.6.6", "198.51.100.9"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has_is_the_clients(peer, header, address):
    assert forwarded(peer, header)[0] == address


def test_the_scheme_is_what_a_trusted_proxy_says():
    assert forwarded("10.0.0.1", "1.2.3.4", "https") == ("1.2.3.4", "https")
    assert forwarded("10.0.0.1", "1.2.3.4", "http, HTTPS")[1] == "https"
    assert forwarded("8.8.8.8", "1.2.3.4", "https")[1] == "http"
    assert forwarded("10.0.0.1", "1.2.3.4", "gopher")[1] == "http"


def test_without_trusted_proxies_nothing_that_is_forwarded_counts():
    assert forwarded("127.0.0.1", "1.2.3.4", "https", trusted=()) == ("127.0.0.1", "http")


def test_a_wrong_network_is_named():
    with pytest.raises(ValueError, match=r"10\.0\.0\.300"):
        networks_of("127.0.0.1, 10.0.0.300")


def test_an_ipv6_subscriber_counts_as_one():
    assert (
        subscriber_of("2001:db8:1:2:3::4")
        == subscriber_of("2001:db8:1:2::9")
        == "2001:db8:1:2::/64"
    )
    assert subscriber_of("198.51.100.7") == "198.51.100.7" != subscriber_of("198.51.100.8")


def test_behind_a_proxy_each_shopper_has_their_own_limit(shop, rf, settings):
    key, _ = ApiKey.objects.issue(shop, "pages", [], public=True)
    key.per_minute = 2
    settings.TRUSTED_PROXIES = TRUSTED

    def asks(address: str) -> bool:
        request = rf.post("/api/v1/events", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=address)
        apply_forwarded(request.META, settings.TRUSTED_PROXIES)
        return within_rate(key, request)

    assert [asks(f"198.51.100.{n}") for n in range(30)] == [True] * 30
    assert [asks("203.0.113.1") for _ in range(3)] == [True, True, False]
