"""The registries that a command names: how they are spoken to, and with which credentials."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from longshore.addresses import Reach
from longshore.aws.clock import SystemClock
from longshore.errors import ConfigurationError
from longshore.registries.connect import Network, connect
from longshore_cli.registry_logins import logins_for

if TYPE_CHECKING:
    from longshore.mirror.ports import Side
    from longshore.registries.auth import Logins
    from longshore.registries.client import DistributionRegistry

LONGEST_WAIT: Final = 60.0
"""Seconds that a person at a terminal waits for a registry that asks to be left alone."""
_PROBE_SECONDS: Final = 5.0
_HOST: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


PRIVATE: Final = (
    "If that host is in your own network, where the registry keeps its token server or its layers, allow it: "
    "--private HOST or HOST:PORT, with --insecure for one without TLS."
)
"""What to do about an address that is refused."""


def registry(
    host: str,
    side: Side,
    *,
    insecure: bool,
    private: Collection[str] = (),
    login: Logins | None = None,
) -> DistributionRegistry:
    """The registry at a host that the user named, which is why it may be in a private network.

    This machine's registries, and all others with `insecure`, are asked whether they speak TLS, and spoken to without
    it when they do not; with `insecure` any certificate will do. `private` are further hosts that the user named,
    where the registry may send for tokens and layers. What `docker login` knows goes before `login`.
    """
    named = frozenset({host, *private})
    is_plain = (insecure or _is_this_machine(host)) and not _speaks_tls(host)
    plain = (frozenset(private) - {host} if insecure else frozenset()) | ({host} if is_plain else frozenset())
    reach = Reach(private=named, plain=plain, loopback=is_plain and _is_this_machine(host))
    network = Network.of(SystemClock(), reach=reach, longest_wait=LONGEST_WAIT)
    if insecure:
        network = replace(network, tls=_trusting())
    return connect(host, side, network, logins_for(host) or login)


def private_hosts(names: Sequence[str]) -> frozenset[str]:
    """Hosts as a user writes them. Raises ConfigurationError for what is none."""
    for name in names:
        if _HOST.fullmatch(name) is None:
            raise ConfigurationError("--private", f"{name[:100]!r} is no host", "write gitlab.example.com or host:5000")
    return frozenset(name.lower() for name in names)


def is_refused_address(error: str) -> bool:
    """Whether an AddressError says of a host what `--private` can change: never so of a metadata service."""
    return ": only https" in error or ": not a public address" in error


def _is_this_machine(host: str) -> bool:
    name = _split(host)[0]
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


def _speaks_tls(host: str) -> bool:
    """Whether a TLS handshake succeeds, whoever vouches for it. A host that does not answer is left to the copy."""
    name, port = _split(host)
    for number in (port,) if port else (443,):
        try:
            with (
                socket.create_connection((name, number), _PROBE_SECONDS) as plain,
                _trusting().wrap_socket(plain, server_hostname=name),
            ):
                return True
        except (OSError, UnicodeError):
            continue
    return False


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without authorities, which take long to load
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _split(host: str) -> tuple[str, int | None]:
    """``name:port`` or ``[address]:port``. Raises ConfigurationError."""
    name, _, port = host.rpartition(":") if ":" in host and not host.endswith("]") else (host, "", "")
    if port and not port.isdigit():
        raise ConfigurationError("registry", f"{host[:100]!r} has no port number", "write host:5000")
    return name.strip("[]"), int(port) if port else None
