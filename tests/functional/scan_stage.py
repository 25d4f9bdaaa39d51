"""What the tests of scan say besides: who finds what in an image, and what AWS then announces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore_local import images
from longshore_local.scanning.vulnerabilities import Vulnerability
from tests.functional.stage import Stage

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle
    from longshore_local.bus import Event
    from longshore_local.images import SyntheticImage

OPENVEX = "application/vnd.openvex+json"
CRITICAL = Vulnerability("CVE-2026-1", "CRITICAL", fixed_in="3.0.14", epss=0.4)
HIGH = Vulnerability("CVE-2026-2", "HIGH", "zlib", "1.2", fixed_in="1.3", epss=0.2)
LOW = Vulnerability("CVE-2026-3", "LOW", "bash", "5.1")


def many(count: int, severity: str = "HIGH") -> list[Vulnerability]:
    """So many findings."""
    return [Vulnerability(f"CVE-2026-{1000 + number}", severity, fixed_in="9") for number in range(count)]


def vex(subject: SyntheticImage, name: str, *vulnerabilities: str) -> SyntheticImage:
    """An artifact with an OpenVEX document that calls an image not affected."""
    product = f"pkg:oci/{name}@{subject.digest.replace(':', '%3A')}"
    statements = [
        {
            "vulnerability": {"name": each},
            "products": [{"@id": product}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
        for each in vulnerabilities
    ]
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "shop",
        "timestamp": "2026-11-20T00:00:00Z",
        "version": 1,
        "statements": statements,
    }
    return images.artifact("vex", OPENVEX, subject, json.dumps(document).encode())


class ScanStage(Stage):
    """A stage whose registry is scanned. `heard` are the events of ECR's and Inspector's scans since `forget`."""

    def __init__(self, bundle: Bundle, clients: dict[str, Any], mode: str) -> None:
        super().__init__(bundle, clients)
        self.heard: list[Event] = []
        self._deaf = False
        bundle.bus.subscribe(self._hear)
        bundle.scanner.use(mode)
        self.settle()

    def found(self, image: SyntheticImage | str, *findings: Vulnerability, state: str | None = None) -> None:
        """From now on this is in an image of the repository `web`."""
        digest = image if isinstance(image, str) else image.digest
        self.bundle.scanner.found("web", digest, findings, state=state)

    def push_with(self, tag: str, seed: str, findings: Iterable[Vulnerability] = (), **more: Any) -> str:
        """Pushes an image in which this is found; answers its digest."""
        image = images.single(seed)
        self.bundle.scanner.found("web", image.digest, findings, **more)
        return self.push(tag, image)

    def attach(self, subject: SyntheticImage, *vulnerabilities: str) -> None:
        """Attaches an OpenVEX document that calls an image not affected."""
        images.push(self.ecr, "web", None, vex(subject, "web", *vulnerabilities))

    def again(self, events: Iterable[Event]) -> None:
        """AWS delivers events once more."""
        self._deaf = True
        for event in events:
            self.bundle.bus.put(event)
        self._deaf = False

    def settle(self, minutes: float = 20) -> None:
        """Lets everything happen that is under way."""
        self.run(minutes=minutes)

    def days(self, days: float) -> None:
        """Lets days pass."""
        self.bundle.run(limit=timedelta(days=days))

    def reports(self) -> list[Mapping[str, Any]]:
        """What was reported of images, in order."""
        return [each for each in self.events("Findings Reported") if each["report"] == "scan"]

    def forget(self) -> None:
        super().forget()
        self.heard.clear()

    def fine(self) -> None:
        """Asserts that no function failed and no message was lost."""
        assert (self.failures(), self.dead_letters(), self.metric("BadEvents")) == ([], 0, 0)

    def _hear(self, bus: str, event: Event) -> None:
        scans = event["source"] == "aws.inspector2" or event["detail-type"] == "ECR Image Scan"
        if bus == "default" and scans and not self._deaf:
            self.heard.append(event)
