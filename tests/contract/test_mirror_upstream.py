"""What looking and copying ask of upstream, with the client that is shipped: pulls are counted, and looks make none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.mirror.budget import pulls_of
from longshore.mirror.carrier import CopyCarrier, Part
from longshore.mirror.orders import Item
from longshore.mirror.plan import Known
from longshore.mirror.ports import RateLimit
from longshore.mirror.reading import read_mirrors
from longshore.mirror.referrers import fallback_tag, with_referrer
from longshore.mirror.survey import Surveyor, whose
from longshore_cli.mirror_memory import MemoryMirrors, MemoryPulls, MemoryUploads
from longshore_local import image_shapes, images
from longshore_local.registry import DOCKER_HUB_MANNERS, SPEC_MANNERS
from tests.distribution import REPOSITORY, stage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from longshore.manifests import Manifest
    from longshore.mirror.ports import Holdings, Registry
    from longshore.mirror.rules import Downstream, Mirror


@dataclass
class TwoPlaces:
    """`Places` of one upstream and one downstream, neither of ECR."""

    up: Registry
    down: Registry

    def source(self, mirror: Mirror) -> Registry:
        return self.up

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        return self.down

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return None

    def create(self, mirror: Mirror, downstream: Downstream) -> bool:
        return False

    def describe(self, mirror: Mirror, downstream: Downstream) -> bool:
        return False

    def delete(self, downstream: Downstream, tags: Mapping[str, str]) -> Sequence[str]:
        return ()


def mirror(**members: Any) -> Mirror:
    rules = {"from": f"quay.io/{REPOSITORY}", "to": f"registry.example.com/{REPOSITORY}", **members}
    return read_mirrors({"web": rules})["web"]


class EmptyShelves(TwoPlaces):
    """Downstream has nothing, and says so in bulk."""

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return self

    def tagged(self, repository: str) -> Mapping[str, str]:
        return {}

    def blobs(self, repository: str, digests: Collection[str]) -> Collection[str]:
        return ()


@pytest.mark.parametrize("has_api", [True, False])
def test_a_look_is_no_pull_however_referrers_are_listed(has_api: bool) -> None:
    with stage(replace(SPEC_MANNERS, referrers=has_api, oci_subject=has_api)) as up:
        image, places = images.single("web"), EmptyShelves(up.client(), up.client("destination"))
        up.push(image, "v1")
        surveyor = Surveyor(places, MemoryMirrors(), MemoryPulls(), up.clock)
        listing: Manifest | None = None
        seen = []
        for kind in ("sbom", "signature"):
            seen.append(surveyor.look(mirror()).upstream.referrers["v1"])
            referrer = images.artifact(kind, f"application/vnd.{kind}", image)
            manifest = up.push(referrer, None)
            if not has_api:
                listing = with_referrer(listing, manifest.descriptor)
                index = images.SyntheticImage(listing.content, listing.media_type, children=(referrer,))
                up.push(index, fallback_tag(image.digest))
        seen.append(surveyor.look(mirror()).upstream.referrers["v1"])
        assert surveyor.look(mirror()).upstream.referrers["v1"] == seen[-1]
        assert len(set(seen)) == 3, "each new referrer shows"
        assert "GET manifest" not in places.up.usage.requests


def test_a_look_without_a_head_has_no_news_of_pulls() -> None:
    rules = mirror(referrers="none", tags={"include": ["v*"], "immutable": ["v*"]})
    with stage(DOCKER_HUB_MANNERS) as up:
        manifest, places = up.push(images.single("web"), "v1"), EmptyShelves(up.client(), up.client("destination"))
        memory, pulls = MemoryMirrors(), MemoryPulls()
        surveyor = Surveyor(places, memory, pulls, up.clock)
        assert surveyor.look(rules).budget.remaining == 100
        known = Known("v1", manifest.digest, manifest.digest, rules.terms)
        memory.remember(rules.name, rules.downstreams[0].endpoint, known)
        up.clock.advance(3600)
        whom = whose(rules, places.up.rate)
        pulls.settle(whom, "", RateLimit(100, 10, 21_600), up.clock.now())  # another invocation's
        up.clock.advance(3600)
        assert surveyor.look(rules).budget.remaining == 10


def test_a_copy_counts_its_pulls_and_no_more_were_promised() -> None:
    rules = mirror(referrers="none")
    with stage() as up, stage() as down:
        manifest = up.push(image_shapes.four_platforms("web"), "v1")
        places = TwoPlaces(up.client(), down.client("destination"))
        carrier = CopyCarrier(places, MemoryUploads(), up.clock)
        until = up.clock.now() + timedelta(hours=1)
        report = carrier.copy(Part(rules, rules.downstreams[0], [Item(manifest.digest, "v1")], until, whole=True))
        assert report.pulls is not None
        assert report.pulls == up.registry.tally.requests["GET manifest"]
        assert report.pulls > 1 + 4, "attestations are read too"
        assert report.pulls <= pulls_of(is_index=True, platforms=4, known=None)
        again = carrier.copy(Part(rules, rules.downstreams[0], [Item(manifest.digest, "v1")], until, whole=True))
        assert again.pulls == 0
