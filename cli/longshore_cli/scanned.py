"""An image as scan sees it now: assessed, ranked, split into what counts and what is suppressed. Nothing is written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from longshore.aws.attestations import EcrAttestations
from longshore.aws.blobs import HttpsFetch
from longshore.aws.clock import SystemClock
from longshore.aws.ecr import EcrRegistry
from longshore.aws.ecr_findings import EcrScans
from longshore.aws.inspector import Inspector
from longshore.aws.ledger import LedgerHeads, LedgerIndex, LedgerRecords
from longshore.aws.platforms import platforms
from longshore.aws.runners import WorkloadRunners
from longshore.aws.scans import LedgerAcceptances
from longshore.aws.table import Table
from longshore.errors import AccessDeniedError, ConfigurationError, GoneError
from longshore.redeploy.recorded import recalled
from longshore.scan.acceptance import read_suppressions
from longshore.scan.findings import ScanState
from longshore.scan.openvex import read_documents, read_openvex
from longshore.scan.priority import ranked
from longshore.scan.rules import AttachedVex
from longshore.scan.suppressions import Suppressions
from longshore_cli.account import Account
from longshore_cli.config import DEFAULT, scan_policy_of
from longshore_cli.output import WrongError, note
from longshore_cli.references import ecr_reference
from longshore_cli.send import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from longshore.images import Digest, ImageReference, Repository
    from longshore.scan.findings import Assessment, Finding
    from longshore.scan.ports import Runner
    from longshore.scan.priority import Ranked
    from longshore.scan.rules import ScanPolicy
    from longshore.scan.suppressions import Split, Suppression
    from longshore_cli.account import Stack


@dataclass(frozen=True)
class Scanned:
    """What there is to say of one image at one moment."""

    reference: ImageReference
    assessment: Assessment
    split: Split
    runners: Sequence[Runner]
    policy: ScanPolicy
    now: datetime

    @cached_property
    def ranked(self) -> list[Ranked]:
        """What counts, the gravest first."""
        return ranked(self.split.open, self.policy, running=bool(self.runners))

    @cached_property
    def suppressed(self) -> list[Ranked]:
        """What does not, the gravest first."""
        return ranked(self.by, self.policy, running=bool(self.runners))

    @cached_property
    def by(self) -> Mapping[Finding, Suppression]:
        """What suppresses each finding."""
        return dict(self.split.suppressed)


def scanned(image: str, stack_name: str, config_file: Path | None) -> Scanned:
    """Looks at an image. Raises GoneError when it is not there."""
    account = Account()
    reference = ecr_reference(image, account)
    repository = reference.repository
    if repository is None:
        raise WrongError(f"{reference} is in ECR Public, where nobody scans")
    policy = scan_policy_of(config_file or (DEFAULT if DEFAULT.is_file() else None))
    looking = _Looking(account, account.stack(stack_name), repository, policy)
    digest = reference.digest or looking.digest(reference.effective_tag or "")
    assessment = looking.scans.assess(repository, digest) if digest else None
    if assessment is None or assessment.state is ScanState.GONE:
        raise GoneError(f"{reference} is not in the registry")
    now = SystemClock().now()
    split = looking.suppressions(assessment).split(assessment, now)
    return Scanned(reference, assessment, split, looking.runners(assessment), policy, now)


class _Looking:
    """The registry, the scanners and the stack's ledger, all read only."""

    def __init__(self, account: Account, stack: Stack | None, repository: Repository, policy: ScanPolicy) -> None:
        self._account = account
        self._stack = stack
        self._repository = repository
        self._policy = policy
        self._ecr = account.client("ecr", repository.region)
        self._inspector = Inspector(account.client("inspector2", repository.region), SystemClock())
        self._table = Table(account.client("dynamodb"), stack.ledger) if stack else None
        self.scans = EcrScans(self._ecr, self._inspector)

    def digest(self, tag: str) -> Digest | None:
        """What a tag names now."""
        found = EcrRegistry(self._ecr).resolve(self._repository, tag)
        return found.candidate.digest if found else None

    def suppressions(self, assessment: Assessment) -> Suppressions:
        """Those of the configuration, of the ledger, and those attached to the image."""
        configured = (*read_suppressions(self._policy.suppressions), *read_documents(self._policy.vex))
        accepted: Sequence[Suppression] = ()
        if self._table is not None:
            where = self._account.id, self._account.region
            accepted = LedgerAcceptances(self._table, SystemClock(), *where).all()
        attached = () if self._policy.attached_vex is AttachedVex.NONE else self._attached(assessment)
        return Suppressions((*configured, *accepted, *attached))

    def _attached(self, assessment: Assessment) -> Iterator[Suppression]:
        local = urlsplit(self._ecr.meta.endpoint_url).hostname in LOOPBACK
        attestations = EcrAttestations(self._ecr, HttpsFetch(loopback=local), note)
        for digest in dict.fromkeys((assessment.digest, *assessment.images)):
            for document in attestations.vex(self._repository, digest):
                try:
                    yield from read_openvex(document, attached=digest)
                except ConfigurationError as error:
                    note(f"OpenVEX attached to {digest} is left out: {error}")

    def runners(self, assessment: Assessment) -> Sequence[Runner]:
        """Who runs the image, as far as the stack's index and Inspector know."""
        images = (assessment.digest, *assessment.images)
        found: list[Runner] = []
        if self._table is not None:
            running = self._workloads(self._table).of(self._repository)
            found = [runner for digest in images for runner in running.get(digest, ())]
        with suppress(AccessDeniedError):  # without Inspector, workloads that Longshore follows are all that is known
            found += self._inspector.clusters(self._repository, images)
        return list(dict.fromkeys(found))

    def _workloads(self, table: Table) -> WorkloadRunners:
        records, heads = LedgerRecords(table, SystemClock()), LedgerHeads(table)
        platform = platforms(self._account.client, recall=lambda seen: recalled(seen, records, heads))
        where = self._account.id, self._account.region
        return WorkloadRunners(
            LedgerIndex(table), lambda: platform, lambda: EcrRegistry(self._ecr), self._inspector, *where
        )
