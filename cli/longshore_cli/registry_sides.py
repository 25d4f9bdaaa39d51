"""The registries that a command names: how they are spoken to, and with which credentials."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from longshore.addresses import Reach
from longshore.aws.clock import SystemClock
from longshore.errors import ConfigurationError
from longshore.registries.connect import Network, connect
from longshore_cli.registry_logins import logins_for

if TYPE_CHECKING:
    from longshore.mirror.ports import Side
    from longshore.registries.client import DistributionRegistry

LONGEST_WAIT: Final = 60.0
"""Seconds that a person at a terminal waits for a registry that asks to be left alone."""
_PROBE_SECONDS: Final = 5.0


def registry(host: str, side: Side, *, insecure: bool) -> DistributionRegistry:
    """The registry at a host that the user named, which is why it may be in a private network.

    This machine's registries, and all others with `insecure`, are asked whether they speak TLS, and spoken to without
    it when they do not; with `insecure` any certificate will do.
    """
    network = Network.of(SystemClock(), reach=Reach(private=frozenset({host})), longest_wait=LONGEST_WAIT)
    if insecure or _is_this_machine(host):
        if not _speaks_tls(host):
            reach = Reach(private=frozenset({host}), plain=frozenset({host}), loopback=_is_this_machine(host))
            network = replace(network, reach=reach)
        elif insecure:
            network = replace(network, tls=_trusting())
    return connect(host, side, network, logins_for(host))


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
