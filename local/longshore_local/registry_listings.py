"""The lists of a registry: tags, catalog, referrers, and the bulk listings that Docker Hub, Quay and Google have."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from longshore_local.blobs import is_digest
from longshore_local.manifests import OCI_INDEX, Manifest
from longshore_local.registry_exchange import Exchange
from longshore_local.registry_store import RegistryError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Tag = tuple[str, Manifest, datetime]


class ListEndpoints(Exchange):
    """`tags/list`, `referrers/...`, `/v2/_catalog`; elsewhere than on /v2/ what mirror 0.5 counts on."""

    def _catalog(self) -> None:
        page, link = self._page(self.service.store.repositories(), "/v2/_catalog")
        self._send_json({"repositories": page}, link)

    def _tags(self) -> None:
        page, link = self._page(self.service.store.tags(self.name), f"/v2/{self.name}/tags/list")
        more = {"manifest": self._google_manifests()} if "google" in self.service.manners.listings else {}
        self._send_json({"name": self.name, "tags": page, **more}, link)

    def _page(self, names: list[str], path: str) -> tuple[list[str], dict[str, str]]:
        rest = [name for name in names if name > self.query.get("last", "")]
        size = self._page_size()
        page = rest[:size]
        if not page or len(page) == len(rest):
            return page, {}
        return page, self._link(f"{path}?last={quote(page[-1])}&n={size}")

    def _page_size(self) -> int:
        manners = self.service.manners
        text = self.query.get("n", str(manners.max_page))
        if not text.isdecimal() or (int(text) > manners.max_page and manners.large_page == "refused"):
            largest = manners.max_page
            raise RegistryError(400, "PAGINATION_NUMBER_INVALID", f"n must be a number up to {largest}, not '{text}'")
        return min(int(text), manners.max_page)

    def _link(self, path: str) -> dict[str, str]:
        if self.service.manners.links == "missing":
            return {}
        host = self.base if self.service.manners.links == "absolute" else ""
        return {"Link": f'<{host}{path}>; rel="next"'}

    def _referrers(self) -> None:
        manners = self.service.manners
        if not manners.referrers:
            raise RegistryError(manners.no_referrers_status, "NOT_FOUND", "no referrers API")
        if not is_digest(self.reference):
            raise RegistryError(400, "DIGEST_INVALID", f"'{self.reference}' is no sha256 digest")
        wanted = self.query.get("artifactType") if manners.referrers_filtered else None
        found = self.service.store.referrers(self.name, self.reference)
        listed = [_descriptor(m) for m in found if wanted in (None, m.artifact_type)]
        first = int(text) if (text := self.query.get("next", "0")).isdecimal() else 0
        after = first + manners.referrers_page
        headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
        if after < len(listed):
            query = urlencode({"next": after, **({"artifactType": wanted} if wanted else {})})
            headers |= self._link(f"/v2/{self.name}/referrers/{self.reference}?{query}")
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed[first:after]}
        self._send_json(index, headers, OCI_INDEX)

    def _hub_listing(self) -> None:
        """hub.docker.com: pages by number, newest push first."""
        page, size, tags = self._numbered("hub", "page_size", 100)
        shown = tags[(page - 1) * size : page * size]
        results = [
            {
                "name": tag,
                "digest": m.digest,
                "tag_last_pushed": _iso(at),
                "last_updated": _iso(at),
                "full_size": m.size,
            }
            for tag, m, at in shown
        ]
        following = f"{self.base}/v2/repositories/{self.name}/tags/?page={page + 1}&page_size={size}"
        more = following if page * size < len(tags) else None
        self._send_json({"count": len(tags), "next": more, "previous": None, "results": results})

    def _quay_listing(self) -> None:
        """quay.io: pages by number, newest push first."""
        page, size, tags = self._numbered("quay", "limit", 100)
        listed = [
            {
                "name": tag,
                "manifest_digest": m.digest,
                "start_ts": int(at.timestamp()),
                "last_modified": at.strftime("%a, %d %b %Y %H:%M:%S -0000"),
                "size": m.size,
            }
            for tag, m, at in tags[(page - 1) * size : page * size]
        ]
        self._send_json({"tags": listed, "page": page, "has_additional": page * size < len(tags)})

    def _numbered(self, listing: str, size_name: str, largest: int) -> tuple[int, int, list[_Tag]]:
        if listing not in self.service.manners.listings:
            raise RegistryError(404, "NOT_FOUND", f"no {listing} listing")
        page, size = self.query.get("page", "1"), self.query.get(size_name, "10")
        if not (page.isdecimal() and size.isdecimal() and int(page) and int(size)):
            raise RegistryError(400, "PAGINATION_NUMBER_INVALID", f"page {page} of {size}")
        newest = sorted(self._tagged(), key=lambda entry: entry[2], reverse=True)
        return int(page), min(int(size), largest), newest

    def _tagged(self) -> list[_Tag]:
        store, times = self.service.store, self.service.pushed_at
        return [
            (tag, store.manifest(self.name, tag), times.get((self.name, tag), _EPOCH)) for tag in store.tags(self.name)
        ]

    def _google_manifests(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for tag, manifest, at in self._tagged():
            uploaded = str(int(at.timestamp() * 1_000))
            about = {"tag": [], "timeUploadedMs": uploaded, "mediaType": manifest.media_type}
            entry = found.setdefault(manifest.digest, {**about, "imageSizeBytes": str(manifest.size)})
            entry["tag"].append(tag)
        return found


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _descriptor(manifest: Manifest) -> dict[str, Any]:
    described = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.content),
        "artifactType": manifest.artifact_type,
        "annotations": manifest.annotations,
    }
    return {name: value for name, value in described.items() if value is not None}
