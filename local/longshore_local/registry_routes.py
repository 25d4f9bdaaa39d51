"""The endpoints of a registry: which handler answers what, and the kind by which a request is counted."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Route(NamedTuple):
    """An endpoint. `noun` with the method is the kind of a request: `PUT manifest`, `HEAD blob`, `PATCH upload`."""

    noun: str
    pattern: re.Pattern[str]
    handlers: Mapping[str, str]  # HTTP method -> method of RegistryHandler


ROUTES = (
    Route("version", re.compile(r"/v2/?"), {"GET": "_version", "HEAD": "_version"}),
    Route("catalog", re.compile(r"/v2/_catalog"), {"GET": "_catalog"}),
    Route("tags", re.compile(r"/v2/(?P<name>.+)/tags/list"), {"GET": "_tags"}),
    Route("referrers", re.compile(r"/v2/(?P<name>.+)/referrers/(?P<reference>[^/]+)"), {"GET": "_referrers"}),
    Route("upload", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/?"), {"POST": "_begin_upload"}),
    Route(
        "upload",
        re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<reference>[^/]+)"),
        {"GET": "_upload_status", "PATCH": "_add_chunk", "PUT": "_finish_upload", "DELETE": "_cancel_upload"},
    ),
    Route(
        "blob",
        re.compile(r"/v2/(?P<name>.+)/blobs/(?P<reference>[^/]+)"),
        {"GET": "_get_blob", "HEAD": "_head_blob"},
    ),
    Route(
        "manifest",
        re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)"),
        {"GET": "_get_manifest", "HEAD": "_get_manifest", "PUT": "_put_manifest", "DELETE": "_delete_manifest"},
    ),
    Route("token", re.compile(r"/token/?"), {"GET": "_token"}),
    Route("layer", re.compile(r"/layers/(?P<name>.+)/(?P<reference>[^/]+)"), {"GET": "_signed_layer"}),
    Route("listing", re.compile(r"/v2/repositories/(?P<name>.+)/tags/?"), {"GET": "_hub_listing"}),
    Route("listing", re.compile(r"/api/v1/repository/(?P<name>.+)/tag/"), {"GET": "_quay_listing"}),
)


def find_route(path: str) -> tuple[Route, re.Match[str]] | None:
    """The route of a path without query, and what it names."""
    for route in ROUTES:
        if match := route.pattern.fullmatch(unquote(path)):
            return route, match
    return None


def kind_of(method: str, url: str) -> str:
    """The kind of a request, `GET other` and the like for what is no endpoint."""
    found = find_route(urlsplit(url).path)
    return f"{method} {found[0].noun if found else 'other'}"
