"""What the commands of mirrors stand on: leases of the stack's ledger, or of the process alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from longshore.aws.mirror_manifests import LedgerManifests
from longshore.aws.mirrors import LedgerLeases, LedgerMemory
from longshore.mirror.reading import Home
from longshore.mirror.report import Silence
from longshore_cli.account import Stack
from longshore_cli.mirror_memory import MemoryLeases, MemoryManifests, MemoryMirrors
from longshore_cli.mirror_stage import Stage, _Queue

if TYPE_CHECKING:
    from longshore.mirror.carrier import CopyCarrier
    from longshore.mirror.service import Ports

HOME = Home("123456789012", "eu-west-1")


def ports(stack: Stack | None) -> Ports:
    queue = _Queue(lambda: datetime.now(UTC))
    return Stage({}, stack, HOME, insecure=False)._ports(queue, MemoryMirrors(), Silence())


@pytest.mark.parametrize(
    ("stack", "kinds"),
    [
        (None, (MemoryLeases, MemoryManifests, MemoryMirrors)),
        (Stack("longshore", "ledger", (), "auto"), (LedgerLeases, LedgerManifests, LedgerMemory)),
    ],
)
def test_what_a_run_goes_by(stack: Stack | None, kinds: tuple[type, type, type]) -> None:
    found = ports(stack)
    carrier = cast("CopyCarrier", found.carrier)
    assert carrier.leases is found.leases, "blobs are leased where copies are"
    assert (type(found.leases), type(carrier.manifests), type(found.memory)) == kinds


def test_what_is_for_later_is_left() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    queue = _Queue(lambda: now)
    queue.postpone({"id": "late"}, now + timedelta(seconds=1))
    queue.postpone({"id": "now"}, now)
    assert queue.receive() == {"id": "now"}
    assert queue.receive() is None
