"""What the API server says of itself: versions, groups and resources."""

from typing import Any

from longshore_local.kubernetes.kinds import KINDS, Kind

_VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.5-eks-longshore",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def describe(path: str) -> dict[str, Any] | None:
    """The document of a discovery path; None for a path that is none."""
    match path.strip("/").split("/"):
        case ["version"]:
            return _VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in _GROUPS]}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", group] if any(group == known for known, _ in _GROUPS):
            return {**_group(group, dict(_GROUPS)[group]), "kind": "APIGroup", "apiVersion": "v1"}
        case ["apis", group, version] if (group, version) in _GROUPS:
            return _resources(group, version)
        case ["openapi", "v3", *rest]:
            return _openapi(rest)
        case _:
            return None


def _openapi(rest: list[str]) -> dict[str, Any] | None:
    match rest:
        case []:
            roots = ["api/v1", *(f"apis/{group}/{version}" for group, version in _GROUPS)]
            return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}?hash=1"} for root in roots}}
        case ["api", "v1"]:
            return _schema("", "v1")
        case ["apis", group, version] if (group, version) in _GROUPS:
            return _schema(group, version)
        case _:
            return None


_GROUPS = list(dict.fromkeys((kind.group, kind.version) for kind in KINDS if kind.group))


def _group(group: str, version: str) -> dict[str, Any]:
    only = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [only], "preferredVersion": only}


def _resources(group: str, version: str) -> dict[str, Any]:
    found = [kind.described() for kind in KINDS if (kind.group, kind.version) == (group, version)]
    where = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": where, "resources": found}


def _schema(group: str, version: str) -> dict[str, Any]:
    """As much OpenAPI as kubectl reads before it writes: that a patch takes `dryRun` and `fieldValidation`."""
    paths = {
        _path(kind): {"patch": _operation(kind)} for kind in KINDS if (kind.group, kind.version) == (group, version)
    }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": _VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": {}},
    }


def _path(kind: Kind) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else "/api/v1"
    return f"{root}{'/namespaces/{namespace}' if kind.namespaced else ''}/{kind.plural}/{{name}}"


def _operation(kind: Kind) -> dict[str, Any]:
    names = ("dryRun", "fieldManager", "fieldValidation")
    return {
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.name},
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
    }
