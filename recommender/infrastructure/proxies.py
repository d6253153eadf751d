"""The client's address and scheme behind reverse proxies: forwarded headers count only where a
trusted proxy sent them.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks_of(text: str) -> tuple[Network, ...]:
    """Addresses and networks with commas between: `127.0.0.1, 10.0.0.0/8`.

    Raises ValueError that names the wrong one.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def apply_forwarded(environ: dict[str, Any], trusted: tuple[Network, ...]) -> None:
    """Set REMOTE_ADDR and wsgi.url_scheme to what a trusted proxy forwarded; drop forwarded headers
    of anybody else.

    X-Forwarded-For is read from its end: each trusted proxy appended the address that it saw, what
    stands before the first untrusted one was written by the client.
    """
    if not _is_in(environ.get("REMOTE_ADDR", ""), trusted):
        for name in ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"):
            environ.pop(name, None)
        return
    for text in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = _address(text)
        if address is None:
            break
        environ["REMOTE_ADDR"] = str(address)
        if not any(address in network for network in trusted):
            break
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
    if scheme in ("http", "https"):
        environ["wsgi.url_scheme"] = scheme


@lru_cache(maxsize=1000)
def _is_in(text: str, networks: tuple[Network, ...]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """Of `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1` or `[2001:db8::1]:5`; an IPv4 address mapped
    into IPv6 is the IPv4 one.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_of(request: Any) -> str:
    """The client's address of a request, after `apply_forwarded`."""
    return request.META.get("REMOTE_ADDR", "")


def subscriber_of(text: str) -> str:
    """What counts as one client in rate limits: an IPv4 address; of IPv6 the /64, which one
    subscriber has whole.
    """
    address = _address(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address) if address else text
