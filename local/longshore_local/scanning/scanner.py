"""Who scans the images of the bundle: ECR on push, or Inspector, on the bundle's timeline (notify 2.1)."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from moto.ecr.models import ECRBackend, ecr_backends

from longshore_local.bus import Event
from longshore_local.ecr_images import EcrImage, EcrRegistry, ImageIdError
from longshore_local.scanning import events
from longshore_local.scanning.scans import (
    BASIC,
    CONTINUOUS,
    ENHANCED,
    EXPIRED,
    ON_PUSH,
    PENDING_STATES,
    STATES,
    Held,
    Scan,
)
from longshore_local.scanning.vulnerabilities import Vulnerability
from longshore_local.timeline import Timeline

_ENABLES = timedelta(days=14)  # Inspector looks back so far when it is turned on
_LAYERS = ("image.layer.", "image.rootfs.")
_Key = tuple[str, str, str, str]


class Scanner:
    """Every scan of every registry; `found` decides what they find, else they find nothing.

    A registry scans as its scanning configuration says, which is nothing at first: see `use`. Of an index its images
    are scanned, never the index, and no attestation. `takes` is how long the first scan of an image takes.
    """

    def __init__(
        self,
        timeline: Timeline,
        emit: Callable[[Event], None],
        registry: Callable[[str, str], EcrRegistry],
        home: tuple[str, str],
    ) -> None:
        """`home` is the account and Region that the methods without these are about."""
        self.takes = timedelta(seconds=30)
        self._timeline = timeline
        self._emit = emit
        self._registry = registry
        self._home = home
        self._scans: dict[_Key, Scan] = {}
        self._expected: dict[_Key, tuple[tuple[Vulnerability, ...], str | None]] = {}

    # -- what a test decides ----------------------------------------------------------------------------------------

    def use(self, mode: str, *, frequency: str = CONTINUOUS, repositories: str = "*") -> None:
        """Sets how the registry scans: `off`, `basic` (on push) or `enhanced`. ValueError for another word."""
        rules = [{"filter": repositories, "filterType": "WILDCARD"}]
        match mode:
            case "off":
                kind, wanted = BASIC, []
            case "basic":
                kind, wanted = BASIC, [{"scanFrequency": ON_PUSH, "repositoryFilters": rules}]
            case "enhanced":
                kind, wanted = ENHANCED, [{"scanFrequency": frequency, "repositoryFilters": rules}]
            case _:
                raise ValueError(f"a registry scans off, basic or enhanced, got {mode!r}")
        self.configure(*self._home, kind, wanted)

    def found(
        self, repository: str, image: str, findings: Iterable[Vulnerability] = (), *, state: str | None = None
    ) -> None:
        """From now on this is so of an image: tag or digest, pushed already or to be; of an index, of all its images.

        What Inspector scans continuously is told at once: new, changed and closed findings. Basic scanning finds it
        with the next scan. `state` is one of ECR's ScanStatus when the scan does not simply succeed: with PENDING or
        IN_PROGRESS it goes on until this is called again. KeyError for an unknown tag.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"a scan is {', '.join(STATES)}, got {state!r}")
        account, region = self._home
        digest = image if ":" in image else self._tagged(repository, image).manifest.digest
        key = (account, region, repository, digest)
        self._expected[key] = (tuple(findings), state)
        for scan in [each for each in self._scans.values() if self._says(each) == key]:
            self._look_again(scan)

    def emit_again(self, repository: str, image: str) -> None:
        """Every open finding of an image is announced once more, as Inspector does when its intelligence changes."""
        for scan in self._of(repository, image):
            for held in scan.active():
                held.last = self._timeline.now()
                self._tell(events.finding(scan, held, held.last))

    # -- what AWS does ----------------------------------------------------------------------------------------------

    def observe(self, event: Event) -> None:
        """Sees each event of ECR: a push is scanned, a deleted image's scan is gone."""
        if event["detail-type"] != "ECR Image Action":
            return
        detail = event["detail"]
        place = event["account"], event["region"], detail["repository-name"]
        if detail["action-type"] == "PUSH":
            self._begin(*place, detail["image-digest"], self._frequency(*place))
        elif detail["action-type"] == "DELETE" and self._image(*place, detail["image-digest"]) is None:
            self._scans.pop((*place, detail["image-digest"]), None)

    def configure(self, account: str, region: str, kind: str, rules: list[dict[str, Any]]) -> None:
        """PutRegistryScanningConfiguration, with what follows from it."""
        backend = ecr_backends[account][region]
        before = {name: self._frequency(account, region, name) for name in backend.repositories}
        backend.put_registry_scanning_configuration(kind, rules)
        if kind != ENHANCED:
            return
        after = {name: self._frequency(account, region, name) for name in backend.repositories}
        changes = [
            (name, before[name] or "MANUAL", frequency or "MANUAL")
            for name, frequency in after.items()
            if frequency != before[name]
        ]
        if changes:
            self._tell(events.frequency_changed(account, region, changes, self._timeline.now()))
        for name, frequency in after.items():
            self._enable(account, region, name, frequency)

    def scan_of(self, account: str, region: str, repository: str, digest: str) -> Scan | None:
        """The scan of one image, none when nobody scans it."""
        scan = self._scans.get((account, region, repository, digest))
        enhanced = _is_enhanced(ecr_backends[account][region])
        return scan if scan is not None and scan.enhanced == enhanced else None

    def scans(self, account: str, region: str) -> list[Scan]:
        """All of Inspector's scans, in order of their images."""
        if not _is_enhanced(ecr_backends[account][region]):
            return []
        mine = (scan for key, scan in self._scans.items() if key[:2] == (account, region) and scan.enhanced)
        return sorted(mine, key=lambda scan: scan.arn)

    def start(self, account: str, region: str, repository: str, digest: str) -> Scan | None:
        """StartImageScan: scans an image once more; None for what cannot be scanned."""
        self._scans.pop((account, region, repository, digest), None)
        return self._begin(account, region, repository, digest, "MANUAL")

    def now(self) -> datetime:
        """The present of the bundle."""
        return self._timeline.now()

    def forget(self) -> None:
        """Nothing was ever scanned or decided."""
        self._scans.clear()
        self._expected.clear()
        self.takes = timedelta(seconds=30)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _enable(self, account: str, region: str, repository: str, frequency: str | None) -> None:
        since = self._timeline.now() - _ENABLES
        for image in self._registry(account, region).images(repository):
            if image.pushed_at >= since:
                self._begin(account, region, repository, image.manifest.digest, frequency)

    def _begin(self, account: str, region: str, repository: str, digest: str, frequency: str | None) -> Scan | None:
        key = account, region, repository, digest
        image = self._image(*key)
        kind = ENHANCED if _is_enhanced(ecr_backends[account][region]) else BASIC
        known = self._scans.get(key)
        if frequency is None or image is None or not _is_image(image) or (known and known.scanner == kind):
            return None
        status = "PENDING" if kind == ENHANCED else "IN_PROGRESS"
        due = self._timeline.now() + self.takes
        scan = self._scans[key] = Scan(account, region, repository, image, kind, frequency, due, status)
        self._timeline.at(due, partial(self._finish, scan))
        return scan

    def _finish(self, scan: Scan) -> None:
        if not any(each is scan for each in self._scans.values()):
            return
        now = self._timeline.now()
        found, state = self._outcome(scan)
        if state in PENDING_STATES:
            return
        scan.status = state or ("ACTIVE" if scan.enhanced else "COMPLETE")
        scan.at = now
        fresh = scan.take(found if scan.finished else (), now)
        if not scan.enhanced:
            self._tell(events.scanned(scan, now))
            return
        self._announce(scan, fresh)
        self._tell(events.covered(scan, now))
        if scan.finished:
            self._tell(events.scanned(scan, now))

    def _look_again(self, scan: Scan) -> None:
        now = self._timeline.now()
        if scan.pending:
            if scan.due <= now:
                self._timeline.at(now, partial(self._finish, scan))
            return
        if not scan.enhanced or scan.frequency != CONTINUOUS:
            return
        found, state = self._outcome(scan)
        before, scan.status = scan.status, state or "ACTIVE"
        self._announce(scan, scan.take(found if scan.finished else (), now))
        if scan.status == EXPIRED:
            scan.held.clear()  # they vanish, which is not the same as closed by a fix
        if scan.status != before:
            self._tell(events.covered(scan, now))

    def _announce(self, scan: Scan, changed: Iterable[Held]) -> None:
        for held in changed:
            self._tell(events.finding(scan, held, self._timeline.now()))

    def _tell(self, event: Event) -> None:
        self._timeline.at(self._timeline.now(), partial(self._emit, event))

    def _outcome(self, scan: Scan) -> tuple[tuple[Vulnerability, ...], str | None]:
        return self._expected.get(self._says(scan) or ("", "", "", ""), ((), None))

    def _says(self, scan: Scan) -> _Key | None:
        """Under which key `found` spoke of a scanned image: its own, else that of an index that lists it."""
        place = scan.account, scan.region, scan.repository
        parents = (
            image.manifest.digest
            for image in self._registry(scan.account, scan.region).images(scan.repository)
            if scan.digest in image.manifest.children
        )
        return next((key for name in (scan.digest, *parents) if (key := (*place, name)) in self._expected), None)

    def _of(self, repository: str, image: str) -> Iterator[Scan]:
        digest = image if ":" in image else self._tagged(repository, image).manifest.digest
        held = self._image(*self._home, repository, digest)
        names = {digest, *(held.manifest.children if held else ())}
        yield from (scan for scan in self._scans.values() if scan.repository == repository and scan.digest in names)

    def _tagged(self, repository: str, tag: str) -> EcrImage:
        try:
            return self._registry(*self._home).find(repository, tag=tag)
        except ImageIdError as error:
            raise KeyError(f"{repository} has no tag {tag}: push it first, or name the digest") from error

    def _image(self, account: str, region: str, repository: str, digest: str) -> EcrImage | None:
        images = self._registry(account, region).images(repository)
        return next((image for image in images if image.manifest.digest == digest), None)

    def _frequency(self, account: str, region: str, repository: str) -> str | None:
        backend = ecr_backends[account][region]
        for rule in backend.registry_scanning_configuration["rules"]:
            filters = [str(each["filter"]) for each in rule["repositoryFilters"]]
            if any(fnmatchcase(repository, f if "*" in f else f"*{f}*") for f in filters):
                return str(rule["scanFrequency"])
        own: Any = backend.repositories[repository].image_scanning_configuration
        return ON_PUSH if own.get("scanOnPush") and not _is_enhanced(backend) else None


def _is_enhanced(backend: ECRBackend) -> bool:
    return bool(backend.registry_scanning_configuration["scanType"] == ENHANCED)


def _is_image(image: EcrImage) -> bool:
    """Whether a scanner would look at it: no index, no signature, no attestation."""
    manifest = image.manifest
    if manifest.children or manifest.subject:
        return False
    layers = json.loads(manifest.text).get("layers") or []
    return any(word in str(layer.get("mediaType")) for layer in layers for word in _LAYERS)
