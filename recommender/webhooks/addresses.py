"""Addresses that webhooks may reach: public ones over HTTPS, and networks of the operator's list.

A webhook must not reach the deployment's own network (server-side request forgery). The check runs
when an address is saved, and again at each attempt on the addresses that its name then has; the
connection goes to the address that was checked.
"""

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

PORTS = {"http": 80, "https": 443}


class RefusedAddress(ValueError):
    """An address that a webhook may not have; the message says why."""


@dataclass(frozen=True)
class Target:
    """A checked address. ip: where to connect; host: whose name the certificate has to hold."""

    scheme: str
    host: str
    port: int
    ip: str
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
    addresses = list(dict.fromkeys(entry[4][0] for entry in found))
    for address in addresses:
        if not _is_allowed(address):
            raise RefusedAddress("lies in a private or reserved network, which is not allowed")
    own = _is_listed(addresses[0])
    if parts.scheme != "https" and not own:
        raise RefusedAddress("must begin with https://")
    path = parts.path or "/"
    return Target(
        parts.scheme, host, port, addresses[0], path + (f"?{parts.query}" if parts.query else "")
    )


def _is_allowed(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return _is_listed(str(ip)) or (ip.is_global and not ip.is_multicast)


def _is_listed(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    return any(ip in network for network in settings.VITRINE_WEBHOOK_NETWORKS)
