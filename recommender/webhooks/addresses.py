"""Addresses that webhooks may reach: public ones over HTTPS, and networks of the operator's list.

A webhook must not reach the deployment's own network (server-side request forgery). The check runs
when an address is saved, and again at each attempt on the addresses that its name then has; the
connection goes to the address that was checked.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

PORTS = {"http": 80, "https": 443}
NAT64 = ip_network("64:ff9b::/96")


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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedAddress("is not a URL") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise RefusedAddress("must be a URL such as https://shop.example/hooks")
    if parts.username or parts.password:
        raise RefusedAddress("must not hold a user name or password; messages are signed")
    if parts.fragment:
        raise RefusedAddress("must not hold a fragment (#)")
    if port == 0:
        raise RefusedAddress("has no valid port")


def resolve(url: str) -> Target:
    """Resolve an address to one that may be reached.

    Raises RefusedAddress, or OSError where the name does not resolve.
    """
    check_url(url)
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ips = tuple(dict.fromkeys(entry[4][0].partition("%")[0] for entry in found))
    listed = [_is_listed(ip_address(ip)) for ip in ips]
    if not all(own or _is_public(ip_address(ip)) for ip, own in zip(ips, listed, strict=True)):
        raise RefusedAddress("lies in a private or reserved network, which is not allowed")
    if parts.scheme != "https" and not all(listed):
        raise RefusedAddress("must begin with https://")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, ips, (parts.path or "/") + query)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    """True of an address of the internet; IPv6 addresses that hold an IPv4 one are judged by it."""
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in NAT64:
            inner = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return _is_public(inner)
    return ip.is_global and not ip.is_multicast


def _is_listed(ip: IPv4Address | IPv6Address) -> bool:
    return any(ip in network for network in settings.VITRINE_WEBHOOK_NETWORKS)
