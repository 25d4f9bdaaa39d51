"""Where registries depart from the distribution spec: one toggle per manner, and the sets that real ones show."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from longshore_local.blobs import MIN_PART_BYTES

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manners:
    """The toggles of a registry (mirror 3); the defaults are private ECR's, limits of rate excepted.

    Rates and budgets are off unless asked for: they need a clock that the test moves.
    """

    # The answer to a chunk: 201 where the spec has 202.
    patch_status: int = 201
    # The Range header after later chunks repeats the first one's, though the bytes are kept (containers-roadmap 2831).
    range_sticks: bool = True
    # Smaller chunks, the last one excepted, are taken, and the upload is refused when it is completed.
    min_part_bytes: int = MIN_PART_BYTES
    # POST tells min_part_bytes with OCI-Chunk-Min-Length.
    announce_min_part: bool = False
    # A chunk whose Content-Range does not follow: 416, or appended silently as docker-registry 2.8.2 does.
    content_range: Literal["checked", "ignored"] = "checked"
    # Quotas of an upload; past them it is refused when it is completed.
    max_parts: int | None = 4_200
    max_layer_bytes: int | None = 52_000 * MIB
    # A longer request body is refused with 413, as a proxy in front of a registry does.
    max_body_bytes: int | None = None
    # A body without Content-Length is refused with 411.
    require_length: bool = False
    # What a closing PUT without a body gets after chunks; ECR once answered 500 (tart PR 159).
    empty_finish_status: int | None = None
    # Where an upload goes on: absolute, relative, or on another host with a signature instead of credentials.
    location: Literal["absolute", "relative", "other-host"] = "absolute"
    # Locations carry the state of the upload in their query, and an older one is refused (docker-registry 2.8.2, which
    # therefore cannot resume a cut chunk either: nobody was told the newest state), or even ends the upload.
    upload_state: Literal["none", "refused", "ends"] = "none"
    # What becomes of a chunk whose connection was cut: nothing is kept, what came is kept, or the upload ends.
    cut_chunk: Literal["dropped", "kept", "ends"] = "dropped"
    # An upload begun longer ago than this is unknown.
    upload_seconds: int | None = None
    # Past so many bodies at once, connections are reset (dotnet/sdk-container-builds 279).
    parallel_uploads: int | None = None
    # POST with a digest takes the whole blob; else it is answered like a POST without.
    single_post: bool = False
    # Mounts across repositories work (account setting BLOB_MOUNTING); else 202 begins an upload.
    mounts: bool = False
    # A mount may leave `from` out.
    anonymous_mounts: bool = False

    # Blob GETs go to a signed URL on another host, with this status, good for so long; that host knows no HEAD.
    redirect_blobs: bool = True
    redirect_status: int = 307
    redirect_seconds: int = 3_600
    # Range of a blob GET is honoured.
    ranges: bool = True
    # Blobs come in chunks, without Content-Length.
    chunked_blobs: bool = False
    # What a HEAD of a blob gets instead of an answer: 401 or 403 on ECR Public ...
    head_blob_status: int | None = None
    # ... unless the caller may push (unverified in mirror 3; crane and skopeo rely on it).
    head_blob_for_pushers: bool = False
    # What a HEAD of a missing blob gets: 403 on JFrog.
    head_missing_status: int = 404
    # A blob that no manifest names can be read.
    unreferenced_blobs: bool = True

    # A manifest without mediaType is 405 UNSUPPORTED.
    require_media_type: bool = True
    # Manifests that are no images are stored; ECR refused some with 405 until 2026-03 (containers-roadmap 2783).
    artifacts: bool = True
    # A larger manifest is refused with 413.
    max_manifest_bytes: int = 4 * MIB
    # A GET by tag whose Accept lacks the stored type: served all the same, converted to the twin type with another
    # digest (ECR), or 404 (docker-registry 2.8.2). No Accept accepts everything.
    accept: Literal["ignored", "converted", "strict"] = "converted"
    # Manifests longer than this come in chunks, without Content-Length; the HEAD has none either.
    chunked_manifests_over: int | None = None
    # Who is told Docker-Content-Digest: older registries leave it out of HEAD, or out of everything.
    digest_header: Literal["always", "get", "never"] = "always"
    # What a HEAD of a manifest gets instead of an answer.
    head_manifest_status: int | None = None
    # DELETE is supported; else 405.
    deletes: bool = True
    # So many `tag=` of PUT /manifests/<digest> are taken, and told with OCI-Tag (spec 1.1.1+dev).
    tag_parameters: int = 0

    # The referrers API exists; else it gets no_referrers_status.
    referrers: bool = True
    no_referrers_status: int = 404
    # A PUT with a subject is answered with OCI-Subject; without, the client maintains the fallback tag.
    oci_subject: bool = True
    # Referrers in a page, and whether artifactType filters them (told with OCI-Filters-Applied).
    referrers_page: int = 50
    referrers_filtered: bool = True

    # The largest `n` of a list; a larger one is an error, or taken for the largest.
    max_page: int = 1_000
    large_page: Literal["refused", "clamped"] = "refused"
    # The form of Link to the next page; missing: a short page is not the last one.
    links: Literal["relative", "absolute", "missing"] = "relative"
    # Bulk listings with digest and push time: hub (/v2/repositories/...), quay (/api/v1/repository/...), google
    # (`manifest` in tags/list).
    listings: frozenset[str] = frozenset()

    # A body sent to a repository that does not exist: the connection is cut instead of 404 NAME_UNKNOWN.
    cut_unknown_repository: bool = False

    # Requests in a second by kind (`PUT manifest`); past them throttle_status, with Retry-After if there is one.
    rates: Mapping[str, int] = field(default_factory=dict)
    throttle_status: int = 429
    throttle_retry_after: str | None = None
    # Docker Hub: manifest GETs that are free in window_seconds (HEAD costs nothing); then 429 with Retry-After.
    manifest_gets: int | None = None
    window_seconds: int = 21_600
    retry_after: str | None = "60"
    # docker-ratelimit-source: whose budget it is.
    budget_source: str | None = None
    # Docker Hub's other limit, on all requests of an address in a minute: 429 with a plain text.
    requests_per_minute: int | None = None

    # The body of a refusal: the spec's JSON, a proxy's page, or nothing.
    error_body: Literal["json", "html", "empty"] = "json"
    # Every answer carries Warning: 299 - "...".
    warning: str | None = None


# ECR's default quotas in requests a second, and ECR Public's (mirror 3, Rates).
ECR_RATES: Mapping[str, int] = MappingProxyType({"PUT manifest": 10, "HEAD blob": 1_000, "GET manifest": 2_000})
ECR_PUBLIC_RATES: Mapping[str, int] = MappingProxyType(
    {"PUT manifest": 10, "PUT upload": 10, "POST upload": 200, "HEAD blob": 200, "GET token": 200}
)

ECR_MANNERS = Manners()
ECR_PUBLIC_MANNERS = replace(
    ECR_MANNERS,
    head_blob_status=401,
    head_blob_for_pushers=True,
    referrers=False,
    oci_subject=False,
    max_parts=1_000,
    max_layer_bytes=10_000 * MIB,
)
SPEC_MANNERS = replace(
    ECR_MANNERS,
    patch_status=202,
    range_sticks=False,
    redirect_blobs=False,
    require_media_type=False,
    min_part_bytes=0,
    max_parts=None,
    max_layer_bytes=None,
    mounts=True,
    anonymous_mounts=True,
    single_post=True,
    accept="ignored",
)
# docker-registry 2.8.2: tests/functional/mirror holds it against the real one.
DISTRIBUTION_MANNERS = replace(
    SPEC_MANNERS,
    content_range="ignored",
    upload_state="refused",
    cut_chunk="kept",
    single_post=False,
    anonymous_mounts=False,
    accept="strict",
    referrers=False,
    oci_subject=False,
)
# Docker Hub for whoever does not log in: 100 pulls in 6 hours (mirror 5).
DOCKER_HUB_MANNERS = replace(
    SPEC_MANNERS,
    redirect_blobs=True,
    single_post=False,
    referrers=False,
    oci_subject=False,
    manifest_gets=100,
    budget_source="192.0.2.1",
    listings=frozenset({"hub"}),
)
