"""From the host of an image reference to a registry object that knows its manners."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from longshore.addresses import Reach
from longshore.errors import ConfigurationError
from longshore.images import ImageReference
from longshore.registries.client import DistributionRegistry
from longshore.registries.patience import Patience
from longshore.registries.timelimit import TimeLimit
from longshore.registries.transport import Transport
from longshore.registries.wire import Connections, Resolve, resolve

if TYPE_CHECKING:
    import ssl

    from longshore.mirror.ports import Side
    from longshore.ports import Clock
    from longshore.registries.auth import Logins

_LONGEST: Final = 255
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII
)
_THIS_MACHINE: Final = re.compile(r"(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Network:
    """What all registries of one process share. `tls` is the trust of https; the system's when it is None."""

    clock: Clock
    patience: Patience
    reach: Reach = field(default_factory=Reach)
    tls: ssl.SSLContext | None = None
    resolve: Resolve = resolve

    @classmethod
    def of(
        cls,
        clock: Clock,
        *,
        reach: Reach | None = None,
        longest_wait: float = 5.0,
        limit: TimeLimit | None = None,
    ) -> Network:
        """`longest_wait` is in seconds: a registry that asks for more is put off (PutOffError).

        `limit` ends all waiting, as an invocation's deadline does.
        """
        patience = Patience(clock, longest_wait=longest_wait, limit=limit or TimeLimit())
        return cls(clock, patience, reach or Reach())


def connect(host: str, side: Side, network: Network, logins: Logins | None = None) -> DistributionRegistry:
    """The registry at `host`, as `ImageReference.endpoint` names it. Nothing is asked for yet.

    Raises ConfigurationError for a text that is no host.
    """
    if len(host) > _LONGEST or _HOST.fullmatch(host) is None:
        raise ConfigurationError("registry", f"{host[:100]!r} is no host", "write registry.example.com or host:port")
    ecr = ImageReference(host, "any").repository
    reach = _with_endpoints(network.reach, host, ecr.region) if ecr else network.reach
    plain = host in reach.plain or (reach.loopback and _THIS_MACHINE.fullmatch(host) is not None)
    connections = Connections(reach, tls=network.tls, resolve=network.resolve, limit=network.patience.limit)
    base = f"{'http' if plain else 'https'}://{host}"
    return DistributionRegistry(
        base, side, Transport(connections), network.patience, logins=logins, eager=ecr is not None
    )


def _with_endpoints(reach: Reach, host: str, region: str) -> Reach:
    """ECR and its layers' bucket have private addresses behind VPC endpoints; their names are AWS's own (ECR guide)."""
    bucket = f"prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"
    return replace(reach, private=reach.private | {host, bucket, f"{bucket}.cn"})
