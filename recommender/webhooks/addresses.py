"""Addresses that webhooks may reach: public ones over HTTPS, and networks of the operator's list.

A webhook must not reach the deployment's own network (server-side request forgery). The check runs
when an address is saved, and again at each attempt on the addresses that its name then has; the
connection goes to the address that was checked.
"""

import queue
import socket
import string
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urlsplit

from django.conf import settings

PORTS = {"http": 80, "https": 443}
NAT64 = ip_network("64:ff9b::/96")
GLOBAL_UNICAST, DOCUMENTATION = ip_network("2000::/3"), ip_network("3fff::/20")
RESOLVE_SECONDS = 5.0
"""Time limit of a name's resolution."""


class RefusedAddress(ValueError):
    """An address that a webhook may not have; the message says why."""


@dataclass(frozen=True)
class Target:
    """A checked address. ips: where to connect, in turn; host: the name in the certificate."""

    scheme: str
    host: str
    port: int
    ips: tuple[str, ...]
    path: str


def check_url(url: str) -> None:
    """Check the form of a webhook's address. Raises RefusedAddress."""
    if not url.isprintable() or " " in url:
        raise RefusedAddress("holds a space or a control character")
    try:
        parts = urlsplit(url)
        port, host = parts.port, ascii_host(parts.hostname or "")
    except ValueError:
        raise RefusedAddress("is not a URL") from None
    if parts.scheme not in PORTS or not host:
        raise RefusedAddress("must be a URL such as https://shop.example/hooks")
    if parts.username or parts.password:
        raise RefusedAddress("must not hold a user name or password; messages are signed")
    if parts.fragment:
        raise RefusedAddress("must not hold a fragment (#)")
    if port == 0:
        raise RefusedAddress("has no valid port")


def ascii_host(host: str) -> str:
    """The host of an address as certificates and headers hold it. Raises ValueError."""
    return host if host.isascii() else host.encode("idna").decode()


def resolve(url: str, seconds: float = RESOLVE_SECONDS) -> Target:
    """Resolve an address to one that may be reached.

    Raises RefusedAddress, or OSError where the name does not resolve within the time.
    """
    check_url(url)
    parts = urlsplit(url)
    host, port = ascii_host(parts.hostname), parts.port or PORTS[parts.scheme]
    found = _addresses_of(host, port, seconds)
    ips = tuple(dict.fromkeys(entry[4][0].partition("%")[0] for entry in found))
    listed = [_is_listed(ip_address(ip)) for ip in ips]
    if not all(own or _is_public(ip_address(ip)) for ip, own in zip(ips, listed, strict=True)):
        raise RefusedAddress("lies in a private or reserved network, which is not allowed")
    if parts.scheme != "https" and not all(listed):
        raise RefusedAddress("must begin with https://")
    query = f"?{parts.query}" if parts.query else ""
    path = quote((parts.path or "/") + query, safe=string.punctuation)
    return Target(parts.scheme, host, port, ips, path)


def _addresses_of(host: str, port: int, seconds: float) -> list[tuple]:
    """`socket.getaddrinfo`, whose own time limit is up to the resolver. Raises OSError."""
    replies: queue.SimpleQueue = queue.SimpleQueue()

    def ask() -> None:
        try:
            replies.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            replies.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        reply = replies.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{host} was not resolved within {seconds:g} seconds") from None
    if isinstance(reply, Exception):
        raise OSError(f"{host} does not resolve") from reply
    return reply


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    """True of an address of the internet; IPv6 addresses that hold an IPv4 one are judged by it."""
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in NAT64:
            inner = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return _is_public(inner)
        if ip not in GLOBAL_UNICAST or ip in DOCUMENTATION:
            return False
    return ip.is_global and not ip.is_multicast


def _is_listed(ip: IPv4Address | IPv6Address) -> bool:
    return any(ip in network for network in settings.VITRINE_WEBHOOK_NETWORKS)
