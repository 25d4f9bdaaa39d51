"""What the commands of mirrors stand on: leases of the stack's ledger, or of the process alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from longshore.aws.mirrors import LedgerLeases
from longshore.mirror.reading import Home
from longshore_cli.account import Stack
from longshore_cli.mirror_memory import MemoryLeases
from longshore_cli.mirror_stage import Stage, _Queue

if TYPE_CHECKING:
    from longshore.mirror.carrier import CopyCarrier
    from longshore.mirror.service import Ports

HOME = Home("123456789012", "eu-west-1")


def ports(stack: Stack | None) -> Ports:
    return Stage({}, stack, HOME, insecure=False)._ports(_Queue(lambda: datetime.now(UTC)))


@pytest.mark.parametrize(
    ("stack", "kind"), [(None, MemoryLeases), (Stack("longshore", "ledger", (), "auto"), LedgerLeases)]
)
def test_blobs_are_leased_where_copies_are(stack: Stack | None, kind: type) -> None:
    found = ports(stack)
    assert isinstance(found.leases, kind)
    assert cast("CopyCarrier", found.carrier).leases is found.leases


def test_what_is_for_later_is_left() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    queue = _Queue(lambda: now)
    queue.postpone({"id": "late"}, now + timedelta(seconds=1))
    queue.postpone({"id": "now"}, now)
    assert queue.receive() == {"id": "now"}
    assert queue.receive() is None
