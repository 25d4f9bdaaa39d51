"""The requests of the Kubernetes API on a store: list, get, create, update, patch and delete, as documents."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from longshore_local.kubernetes.access import Access, Asked, Entry, allow
from longshore_local.kubernetes.discovery import describe
from longshore_local.kubernetes.kinds import Kind, find_kind
from longshore_local.kubernetes.patches import json_patch, merge, strategic_merge
from longshore_local.kubernetes.refusals import StatusError, conflict
from longshore_local.kubernetes.selectors import matches_fields, matches_labels
from longshore_local.kubernetes.store import Object, Store

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PATCHES = {
    "application/strategic-merge-patch+json": strategic_merge,
    "application/merge-patch+json": merge,
    "application/json-patch+json": json_patch,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read: what it is about, and its query."""

    method: str
    kind: Kind
    namespace: str
    name: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def watches(self) -> bool:
        """Whether it asks for changes as they come."""
        return self.query.get("watch") in ("1", "true") and not self.name

    @property
    def verb(self) -> str:
        """As RBAC names it."""
        if self.method == "GET" and not self.name:
            return "watch" if self.watches else "list"
        return _VERBS.get(self.method, self.method.lower())

    @property
    def manager(self) -> str:
        """Who is to own what is written."""
        return self.query.get("fieldManager") or self.headers.get("user-agent", "unknown").partition("/")[0]

    @property
    def dry(self) -> bool:
        """Whether nothing is to be written. Raises 400 for a value that the API does not know."""
        wanted = self.query.get("dryRun", "")
        if wanted not in ("", "All"):
            raise StatusError(400, f'dryRun: Unsupported value: "{wanted}": supported values: "All"')
        return bool(wanted)

    def wants(self, found: Object) -> bool:
        """Whether a list or watch is to have an object."""
        return (
            (not self.namespace or found["metadata"].get("namespace") == self.namespace)
            and matches_labels(self.query.get("labelSelector", ""), found["metadata"].get("labels") or {})
            and matches_fields(self.query.get("fieldSelector", ""), found)
        )


class Api:
    """The API server without its HTTP. `access` is None where nobody is asked who they are."""

    def __init__(self, store: Store, access: Access | None) -> None:
        self.store = store
        self._access = access
        self.allowed: set[tuple[str, str]] = set()
        """(verb, resource) of everything that was allowed to somebody by RBAC."""

    def read(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Call | Object:
        """What a request is about, or the answer where it is about the server itself. Raises 401, 403, 404 and 405."""
        url = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        who = self._access.who(headers.get("authorization", "")) if self._access else None
        if url.path.rstrip("/") in ("/healthz", "/livez", "/readyz"):
            return {"status": "ok"}
        if (found := describe(url.path)) is not None:
            return found
        kind, namespace, name = _route(url.path)
        call = Call(method, kind, namespace, name, query, headers, body)
        if who is not None:
            self._allow(who, call)
        return call

    def _allow(self, who: Entry, call: Call) -> None:
        allow(self.store, who, Asked(call.verb, call.kind, call.namespace, call.name))
        self.allowed.add((call.verb, call.kind.plural))

    def answer(self, call: Call) -> tuple[int, Object]:
        """The status and the document. Raises StatusError."""
        match call.verb:
            case "list":
                return 200, self._list(call)
            case "get":
                return 200, self.store.get(call.kind, call.namespace, call.name)
            case "create" if not call.name:
                made = self.store.create(call.kind, call.namespace, _document(call.body), call.manager, dry=call.dry)
                return 201, made
            case "patch" if call.name:
                return 200, self._change(call, self._patch(call))
            case "update" if call.name:
                document = _document(call.body)
                return 200, self._change(call, lambda found: document)
            case "delete" if call.name:
                self._check_uid(call)
                self.store.delete(call.kind, call.namespace, call.name, dry=call.dry)
                details = {"name": call.name, "kind": call.kind.plural, "group": call.kind.group}
                return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details}
            case _:
                raise StatusError(405, "the server does not allow this method on the requested resource")

    def _change(self, call: Call, edit: Any) -> Object:
        return self.store.change(call.kind, call.namespace, call.name, edit, call.manager, dry=call.dry)

    def _check_uid(self, call: Call) -> None:
        wanted = (_document(call.body).get("preconditions") or {}).get("uid") if call.body else None
        if wanted and self.store.get(call.kind, call.namespace, call.name)["metadata"]["uid"] != wanted:
            raise conflict(call.kind, call.name)

    def _patch(self, call: Call) -> Any:
        media = call.headers.get("content-type", "").partition(";")[0].strip()
        if media not in _PATCHES:
            known = ", ".join(_PATCHES)
            raise StatusError(415, f"the body of the request was in an unknown format - accepted media types: {known}")
        return partial(_patched, media, _json(call.body))

    def _list(self, call: Call) -> Object:
        found = [each for each in self.store.all(call.kind) if call.wants(each)]
        start, limit = _continued(call.query.get("continue", "")), int(call.query.get("limit") or 0)
        page = found[start : start + limit] if limit else found[start:]
        meta: Object = {"resourceVersion": self.store.version}
        if limit and start + limit < len(found):
            meta["continue"] = base64.urlsafe_b64encode(str(start + limit).encode()).decode()
            meta["remainingItemCount"] = len(found) - start - limit
        if "as=PartialObjectMetadataList" in call.headers.get("accept", ""):
            partial_items = [{"metadata": each["metadata"]} for each in page]
            where = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return {**where, "metadata": meta, "items": partial_items}
        where = {"kind": f"{call.kind.name}List", "apiVersion": call.kind.api_version}
        return {**where, "metadata": meta, "items": page}


def _route(path: str) -> tuple[Kind, str, str]:
    """Kind, namespace and name of a resource path. Raises 404."""
    match path.strip("/").split("/"):
        case ["api", "v1", *rest]:
            group, version = "", "v1"
        case ["apis", group, version, *rest]:
            pass
        case _:
            rest, group, version = [], "", ""
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    kind = find_kind(group, version, rest[0]) if rest else None
    if kind is None or len(rest) > 2:
        raise StatusError(404, "the server could not find the requested resource")
    return kind, namespace, rest[1] if len(rest) == 2 else ""


def _patched(media: str, patch: Any, found: Object) -> Object:
    if media != "application/json-patch+json" and not isinstance(patch, dict):
        raise StatusError(400, "a merge patch is an object")
    patched: Object = _PATCHES[media](found, patch)
    return patched


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise StatusError(400, f"the body is no JSON: {error}") from None


def _document(body: bytes) -> Object:
    document = _json(body)
    if not isinstance(document, dict):
        raise StatusError(400, "the body is no object")
    return document


def _continued(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except ValueError:
        raise StatusError(400, "continue key is not valid") from None
