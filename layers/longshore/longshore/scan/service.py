"""Scan: what each message leads to. Every path may be repeated: scanners and ledger decide, not the message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import NotReadyError
from longshore.outcomes import Outcome
from longshore.scan.digesting import Digester
from longshore.scan.judging import Judge
from longshore.scan.looking import Looker
from longshore.scan.messages import (
    REPORT_DUE,
    SWEEP_DUE,
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
from longshore.scan.reporting import TELLING, Reporter
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
_SUBJECT: Final = "subject"
"""Says in a message that its digest is what a report is about, not an image of an index."""


class Scanner:
    """The use case of scan's queue."""

    def __init__(self, ports: Ports, policy: ScanPolicy, *, observe: bool = False) -> None:
        """`observe`: reports are only logged. Gates are judged and told all the same: redeploy waits for them."""
        self._ports = ports
        self._teller = Teller(ports.publisher, observe=observe)
        self._looker = Looker(ports, policy)
        self._reporter = Reporter(ports, policy, self._looker, self._teller)
        self._judge = Judge(ports, policy, self._looker, self._teller)
        self._digester = Digester(ports, policy, self._looker, self._teller)

    def handle(self, message: Message) -> list[Outcome]:
        """Does what a message asks for. Raises TransientError to have it again."""
        now = self._ports.clock.now()
        if message.deferral and now < message.deferral.not_before:
            self._ports.postponer.postpone(message.body, message.deferral.not_before)
            return []
        if isinstance(message.fact, ImageScanned | ReportDue | FindingsChanged | GateDue):
            return self._of_images(message, message.fact, now)
        return self._of_repositories(message, now)

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
                return [outcome for each in repositories for outcome in self._look_again(message, each, now)]
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
