"""Scan: what each message leads to. Every path may be repeated: scanners and ledger decide, not the message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import NotReadyError, ThrottledError, TransientError
from longshore.outcomes import Outcome
from longshore.scan.digesting import Digester
from longshore.scan.judging import Judge
from longshore.scan.looking import Looker
from longshore.scan.messages import (
    REPORT_DUE,
    SWEEP_DUE,
    Attached,
    DigestDue,
    FindingsChanged,
    GateDue,
    Image,
    ImageArrived,
    ImageScanned,
    Irrelevant,
    ReportDue,
    RepositoriesChanged,
    SweepDue,
    WorkloadMoved,
)
from longshore.scan.once import AskedOnce
from longshore.scan.reporting import TELLING, Reporter
from longshore.scan.rules import AttachedVex
from longshore.scan.telling import Teller

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.scan.messages import Message
    from longshore.scan.ports import Ports
    from longshore.scan.rules import ScanPolicy

_DEBOUNCE: Final = timedelta(minutes=5)
"""So long events about an image gather before it is looked at."""
_SETTLE: Final = timedelta(minutes=30)
"""So long after it arrived the scan of an image may take."""
_PACE: Final = timedelta(seconds=1)
"""Between looks of a sweep: far below a quarter of what ECR and Inspector allow."""
_MOVED: Final = timedelta(seconds=30)
"""So long deployments of a repository gather before what runs is looked at."""
_RETRY: Final = timedelta(seconds=15)
"""After so long a message that failed is tried again, then after twice as long, at most `_RETRY_MOST`."""
_RETRY_MOST: Final = timedelta(minutes=15)
_RETRY_KIND: Final = "failed"
_PATIENCE: Final = timedelta(hours=2)
"""From then on the queue tries again, which gives it to the dead letters at last."""
_SUBJECT: Final = "subject"
"""Says in a message that its digest is what a report is about, not an image of an index."""


class Scanner:
    """The use case of scan's queue."""

    def __init__(self, ports: Ports, policy: ScanPolicy, *, observe: bool = False) -> None:
        """`observe`: reports are only logged. Gates are judged and told all the same: redeploy waits for them."""
        self._asked = AskedOnce(ports.scans, ports.runners)
        ports = replace(ports, scans=self._asked, runners=self._asked)
        self._ports = ports
        self._hears_attached = policy.attached_vex is not AttachedVex.NONE
        self._teller = Teller(ports.publisher, observe=observe)
        self._looker = Looker(ports, policy)
        self._reporter = Reporter(ports, policy, self._looker, self._teller)
        self._judge = Judge(ports, policy, self._looker, self._teller)
        self._digester = Digester(ports, policy, self._looker, self._teller)

    def handle(self, message: Message) -> list[Outcome]:
        """Does what a message asks for. What fails for a moment is tried again soon, by a copy: in the queue it would
        lie as long as a function may run, six times over. Raises TransientError when that has gone on for long."""
        self._asked.forget()
        now = self._ports.clock.now()
        if message.deferral and now < message.deferral.not_before:
            self._ports.postponer.postpone(message.body, message.deferral.not_before)
            return []
        try:
            if isinstance(message.fact, ImageScanned | ReportDue | FindingsChanged | GateDue):
                return self._of_images(message, message.fact, now)
            return self._of_repositories(message, now)
        except TransientError as error:
            return self._try_again(message, error)

    def _try_again(self, message: Message, error: TransientError) -> list[Outcome]:
        now, waited = self._ports.clock.now(), message.waited(_RETRY_KIND)
        if waited and now - waited.first >= _PATIENCE:
            raise error
        delay = min(_RETRY * 2 ** min(waited.deferrals if waited else 0, 10), _RETRY_MOST)
        if isinstance(error, ThrottledError):
            delay = min(max(delay, timedelta(seconds=error.retry_after)), _RETRY_MOST)
        self._ports.postponer.postpone(message.deferred(now + delay, _RETRY_KIND, now), now + delay)
        detail = {"error": f"{type(error).__name__}: {error}"[:500], "again": (now + delay).isoformat()}
        return [Outcome("skip", "try-again", message.correlation, detail=detail)]

    def _of_images(
        self, message: Message, fact: ImageScanned | ReportDue | FindingsChanged | GateDue, now: datetime
    ) -> list[Outcome]:
        match fact:
            case ImageScanned(image):
                return self._scanned(message, image)
            case ReportDue(image):
                return self._report_due(message, image)
            case FindingsChanged(images):
                return self._changed(message, images, now)
            case GateDue(workload, image):
                return self._judge.asked(message, image.repository, workload, image.digest)

    def _of_repositories(self, message: Message, now: datetime) -> list[Outcome]:
        match message.fact:
            case RepositoriesChanged(repositories):
                return self._hand_on(message, repositories, now, "coverage-changed")
            case WorkloadMoved(_, repositories):
                return self._moved(message, repositories, now)
            case Attached(repository):
                return self._moved(message, [repository], now) if self._hears_attached else []
            case ImageArrived(repository):
                return self._hand_on(message, [repository], now + _SETTLE, "arrived")
            case SweepDue(repository):
                return self._swept(message, repository, now)
            case DigestDue():
                return self._digester.due(message.correlation)
            case Irrelevant(why):
                return [Outcome("skip", "irrelevant", message.correlation, detail={"why": why})]
        return []

    # -- one image ---------------------------------------------------------------------------------------------------

    def _scanned(self, message: Message, image: Image) -> list[Outcome]:
        """Gates first: a deployment waits for them."""
        subjects = self._subjects(message, image)
        outcomes = self._judge.again(message, image.repository, {image.digest, *subjects})
        for digest in subjects:
            try:
                outcomes += self._reporter.look(image.repository, digest, message.correlation)
            except NotReadyError:
                again = self._ports.clock.now() + TELLING
                self._send_report(message, Image(image.repository, digest), again, subject=True)
        return outcomes

    def _subjects(self, message: Message, image: Image) -> Sequence[Digest]:
        if message.detail.get(_SUBJECT) is True:
            return (image.digest,)
        return self._reporter.subjects(image.repository, image.digest)

    def _changed(self, message: Message, images: Iterable[Image], now: datetime) -> list[Outcome]:
        """Of hundreds of events about an image the first sends a message for all of them.

        It is sent before that is noted, so that no end of the process loses it. Its time is a whole minute: the same
        for all who send it at once, and whoever comes second to it finds the look done.
        """
        for image in images:
            marker = f"due {image.repository}@{image.digest}"
            if not self._ports.reports.done(marker, now):
                until = (now + _DEBOUNCE + timedelta(minutes=1)).replace(second=0, microsecond=0)
                self._send_report(message, image, until, until.isoformat())
                self._ports.reports.once(marker, now, until)
        return []

    def _send_report(
        self, message: Message, image: Image, until: datetime, look: str = "", *, subject: bool = False
    ) -> None:
        detail = {**ReportDue(image).detail(), "look": look, _SUBJECT: subject, "correlation": message.correlation}
        self._ports.postponer.postpone(message.message(REPORT_DUE, detail, self._ports.clock.now()), until)

    def _report_due(self, message: Message, image: Image) -> list[Outcome]:
        look, now = message.detail.get("look"), self._ports.clock.now()
        marker = f"look {image.repository}@{image.digest} {look}"
        if look and self._ports.reports.done(marker, now):
            return []
        outcomes = self._scanned(message, image)
        if look:
            self._ports.reports.once(marker, now, now + timedelta(days=1))
        return outcomes

    # -- one repository ----------------------------------------------------------------------------------------------

    def _moved(self, message: Message, repositories: Iterable[Repository], now: datetime) -> list[Outcome]:
        """Of many deployments of a push the first sends a message for all of them, as of many events about an image."""
        for repository in repositories:
            marker = f"moved {repository}"
            if not self._ports.reports.done(marker, now):
                until = (now + _MOVED + timedelta(minutes=1)).replace(second=0, microsecond=0)
                detail = {"repository": str(repository), "correlation": message.correlation}
                self._ports.postponer.postpone(message.message(SWEEP_DUE, detail, now), until)
                self._ports.reports.once(marker, now, until)
        return []

    def _look_again(self, message: Message, repository: Repository, now: datetime) -> list[Outcome]:
        """Ends what was told of images that nothing runs any more, and has a look at each that runs."""
        running = self._looker.running(repository)
        outcomes = self._reporter.close_replaced(repository, running, message.correlation)
        for place, digest in enumerate(self._reporter.running_subjects(repository, running)):
            self._send_report(message, Image(repository, digest), now + _PACE * place, subject=True)
        return outcomes

    def _hand_on(
        self, message: Message, repositories: Iterable[Repository], start: datetime, reason: str
    ) -> list[Outcome]:
        """A message for each repository: its work has an invocation of its own."""
        count = 0
        for count, repository in enumerate(repositories, 1):
            detail = {"repository": str(repository), "correlation": message.correlation}
            body = message.message(SWEEP_DUE, detail, self._ports.clock.now())
            self._ports.postponer.postpone(body, start + _PACE * (count - 1))
        return [Outcome("skip", reason, message.correlation, detail={"repositories": count})]

    def _swept(self, message: Message, repository: Repository | None, now: datetime) -> list[Outcome]:
        """What lost events would have told: of everything that runs, repository by repository."""
        if repository is None:
            outcomes = self._hand_on(message, self._ports.runners.repositories(), now, "swept")
            return outcomes + self._digester.announce_expiring(message.correlation)
        return self._judge.again(message, repository) + self._look_again(message, repository, now)
