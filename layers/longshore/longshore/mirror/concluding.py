"""What came of a copy, tag by tag: what is downstream is remembered and told, and what failed is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError, NotReadyError
from longshore.mirror import telling
from longshore.mirror.errors import ImmutableTagError
from longshore.mirror.orders import Item
from longshore.mirror.plan import INCOMPLETE, Known
from longshore.mirror.reasons import Reason
from longshore.mirror.report import Failure

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.messages import CopyDue, Wanted
    from longshore.mirror.report import Report
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.service import Ports
    from longshore.mirror.telling import Teller
    from longshore.outcomes import Outcome


class Concluding:
    """Of one report. An image counts as mirrored when its tag was set, whatever became of what refers to it."""

    def __init__(
        self,
        ports: Ports,
        teller: Teller,
        correlation: str,
        mirror: Mirror,
        downstream: Downstream,
        order: CopyDue,
        report: Report,
    ) -> None:
        self._ports = ports
        self._teller = teller
        self._correlation = correlation
        self._mirror = mirror
        self._downstream = downstream
        self._failures = _by_tag(order, report)
        self._copied = {item.tag for item in report.copied}
        self._there = {item.tag for item in report.in_sync}

    def placed(self, wanted: Wanted, before: Known, pulls: int) -> tuple[Known, Wanted, Failure | None, list[Outcome]]:
        """Remembers and tells a tag that was set: what is known now, what is left of the order, why, and what was told.

        Where only what refers to the image failed, that is left: the image is told once.
        """
        failure = self._failures.get(wanted.tag)
        if failure is not None and wanted.tag not in self._copied | self._there:
            return before, wanted, failure, []
        stored = self._stored(wanted)
        if isinstance(stored, Failure):
            return before, wanted, stored, []
        known = Known(
            tag=wanted.tag,
            source=wanted.digest,
            stored=stored,
            terms=self._mirror.terms,
            referrers=wanted.referrers if failure is None else INCOMPLETE,
            pulls=pulls,
            copied=self._ports.clock.now(),
            told="" if failure is None else before.told,
        )
        is_news = failure is None or wanted.tag in self._copied or before.source != wanted.digest
        outcomes = []
        if is_news:
            outcome = telling.mirrored(self._correlation, self._mirror, self._downstream, wanted, stored)
            outcomes = self._teller.tell([outcome])
        self._ports.memory.remember(self._mirror.name, self._downstream.endpoint, known)
        return known, wanted._replace(reason=Reason.REFERRERS.value, previous=stored), failure, outcomes

    def _stored(self, wanted: Wanted) -> Digest | Failure:
        """What a tag holds downstream now, or why it cannot be known."""
        if len(self._mirror.platforms) != 1:
            return wanted.digest
        try:  # an image took the place of its index
            if stored := self._ports.carrier.stored(self._mirror, self._downstream, wanted.tag):
                return stored
            place = f"destination {self._downstream.endpoint}:{wanted.tag}"
            error: LongshoreError = NotReadyError(f"{place}: HEAD manifest: the tag was set, and is not there")
        except LongshoreError as raised:
            error = raised
        return Failure(Item(wanted.digest, wanted.tag), error, "destination")

    def gave_up(self, wanted: Wanted, before: Known, failure: Failure) -> list[Outcome]:
        """Told once for the same image and error; the next look at the mirror tries again, unless it is refused."""
        outcome = telling.failed(self._correlation, self._mirror, self._downstream, wanted.tag, failure)
        is_own = failure.item.tag == wanted.tag
        immutable = is_own and isinstance(failure.error, ImmutableTagError)  # the next look holds it: that is no news
        kind = Reason.IMMUTABLE.value if immutable else type(failure.error).__name__
        told = f"{kind} {wanted.digest}" if is_own else f"{kind} {wanted.digest} {failure.item}"
        after = replace(before, told=told)
        if immutable:
            after = replace(after, refused=wanted.digest, refused_at=self._ports.clock.now())
        if before.told == told:
            outcome = replace(outcome, kind=None)
        else:
            self._teller.tell([outcome])
        if after != before:
            self._ports.memory.remember(self._mirror.name, self._downstream.endpoint, after)
        return [outcome]


def _by_tag(order: CopyDue, report: Report) -> dict[str, Failure]:
    """The failure of each tag; what failed of a referrer counts for the tags whose image it refers to, else for all."""
    found: dict[str, Failure] = {}
    tags = [each.tag for each in order.wanted]
    for failure in report.failures:
        if failure.item.tag in tags:
            found[failure.item.tag] = failure
            continue
        for tag in [each.tag for each in failure.subjects if each.tag] or tags:
            found.setdefault(tag, failure)
    return found
