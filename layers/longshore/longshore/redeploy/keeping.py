"""What the watch keeps of a workload beside its deployment: what worked, and whether it is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore.events import Kind
from longshore.outcomes import Outcome, announcements
from longshore.ports import Good

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from longshore.images import Digest
    from longshore.ports import Publisher, Record, Records
    from longshore.workloads import Hold

_GOODS_KEPT = 5


class Keeper:
    """Tells, and then writes."""

    def __init__(self, records: Records, publisher: Publisher) -> None:
        self._records = records
        self._publisher = publisher

    def tell(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Publishes what concerns somebody, and answers all of it."""
        self._publisher.publish(announcements(outcomes))
        return outcomes

    def hold(
        self, correlation: str, arn: str, hold: Hold, detail: Mapping[str, Any], reason: str = "held"
    ) -> list[Outcome]:
        """Told before written, like an end."""
        told_of = {**detail, "why": hold.reason, "by": hold.actor}
        outcomes = self.tell([Outcome("hold", reason, correlation, arn, Kind.HOLD_SET, told_of)])
        self._records.hold(arn, hold)
        return outcomes

    def good(self, record: Record, works: Mapping[str, Digest], tags: Mapping[str, str], now: datetime) -> None:
        """These digests work, and are the last known good ones from now on, beside those of other containers."""
        digests = {**newest(record), **works}
        known = record.goods[0].tags if record.goods else {}
        kept = [good for good in record.goods if good.digests != digests]
        self._records.good(record.arn, [Good(digests, now, {**known, **tags}), *kept][:_GOODS_KEPT])


def newest(record: Record) -> Mapping[str, Digest]:
    """The last known good digests."""
    return record.goods[0].digests if record.goods else {}
