"""Which addresses Longshore may speak to on somebody else's word: public ones, over TLS (design 10)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HIDING: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""IPv6 that leads to any IPv4 address: NAT64 (RFC 6052, 8215), 6to4 (RFC 3056) and Teredo (RFC 4380)."""
_NOT_PUBLIC: Final = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "fec0::/10")))
"""What some versions of Python take for public: IETF protocol assignments (RFC 6890), site-local (RFC 3879)."""
_INSTANCE_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd00:ec2::23", "100.100.100.200")))
"""Beside the link-local ones: IPv6 addresses of EC2's metadata and EKS Pod Identity, and Alibaba's metadata."""


def is_public(address: str) -> bool:
    """Whether an IP address is in the public internet, also when IPv6 wraps an IPv4 address. Raises ValueError."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address) and any(parsed in network for network in _HIDING):
        return False
    if any(parsed in network for network in _NOT_PUBLIC):
        return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's own. Raises ValueError."""
    return _parsed(address).is_loopback


@dataclass(frozen=True, slots=True)
class Reach:
    """Where connections may go beyond public addresses over TLS.

    `private`: hosts, as ``name`` or ``name:port``, that the operator named and that may be in a private network: a
    company's registry, ECR behind a VPC endpoint. Never a link-local address or a metadata service, whoever named it.
    `plain`: hosts, written alike, that are spoken to without TLS.
    `loopback`: this machine, with and without TLS, for the local bundle and tests.
    """

    private: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    loopback: bool = False

    def refusal(self, scheme: str, host: str, port: int, addresses: Sequence[str]) -> str | None:
        """Why a host that resolved to `addresses` may not be spoken to, or None. An empty list is never refused."""
        if self.loopback and all(map(is_loopback, addresses)):
            return None
        written = f"[{host}]" if ":" in host else host
        names = {host, written, f"{written}:{port}"}
        if scheme != "https" and not names & self.plain:
            return "only https"
        if any(map(_is_forbidden, addresses)):
            return "a link-local or metadata address"
        if not all(map(is_public, addresses)) and not names & self.private:
            return "not a public address"
        return None


def _is_forbidden(address: str) -> bool:
    parsed = _parsed(address)
    if any(parsed in network for network in _HIDING):
        return True  # to any IPv4 address, a metadata service's too
    return parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast or parsed in _INSTANCE_METADATA


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
