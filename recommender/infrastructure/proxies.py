"""The client's address and scheme behind trusted reverse proxies."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks of a comma-separated text: `127.0.0.1, 10.0.0.0/8`. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def apply_forwarded(environ: dict[str, Any], trusted: tuple[Network, ...]) -> None:
    """Set REMOTE_ADDR and wsgi.url_scheme from headers of a trusted proxy; drop others' headers.

    X-Forwarded-For is read from its end: each trusted proxy appended the address that it saw; the
    client wrote what precedes the first untrusted one.
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
    """The address in `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1` or `[2001:db8::1]:5`, IPv4-mapped ones
    as IPv4.
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
    """Client address of the request, after `apply_forwarded` has read the proxy's headers."""
    return request.META.get("REMOTE_ADDR", "")


def subscriber_of(text: str) -> str:
    """The unit of rate limits: an IPv4 address, or an IPv6 /64, which one subscriber owns."""
    address = _address(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address) if address else text
