"""Mirror's function keeps other invocations from sending the same blob."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from moto import mock_aws

from longshore import wiring
from longshore.aws.clock import SystemClock
from longshore.aws.mirrors import LedgerLeases

if TYPE_CHECKING:
    from longshore.mirror.carrier import CopyCarrier


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    config = tmp_path / "config.json"
    config.write_text("{}", encoding="utf-8")
    with mock_aws():
        for name, value in {
            "AWS_DEFAULT_REGION": "eu-west-1",
            "LONGSHORE_MODE": "auto",
            "LONGSHORE_TABLE": "ledger",
            "LONGSHORE_BUS": "longshore",
            "LONGSHORE_SCHEDULE_GROUP": "longshore",
            "LONGSHORE_SCHEDULER_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
            "LONGSHORE_CONFIG": str(config),
            "LONGSHORE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/mirror",
            "LONGSHORE_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:mirror",
        }.items():
            monkeypatch.setenv(name, value)
        wiring.use_clock(SystemClock())
        yield
    wiring.use_clock(SystemClock())


@pytest.mark.usefixtures("stack")
def test_blobs_and_copies_are_leased_in_the_ledger() -> None:
    ports = wiring.mirrorer()._ports
    assert isinstance(ports.leases, LedgerLeases)
    assert cast("CopyCarrier", ports.carrier).leases is ports.leases
