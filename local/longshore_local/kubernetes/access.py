"""Who calls, and what they may do: EKS's bearer tokens, access entries, and RBAC from the cluster's own objects."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from longshore_local.kubernetes.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind
from longshore_local.kubernetes.refusals import StatusError, not_found
from longshore_local.kubernetes.store import Object, Store

_PREFIX = "k8s-aws-v1."
_MOST = 4096  # characters of a token that aws-iam-authenticator reads
_VALID = timedelta(minutes=15)
_CLUSTER_HEADER = "x-k8s-aws-id"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Entry:
    """An access entry: the user and the groups that an IAM principal is in the cluster."""

    user: str
    groups: tuple[str, ...] = ()


@dataclass(slots=True)
class Access:
    """The access entries of a cluster, and the IAM principals by access key id: secret and ARN."""

    cluster: str
    now: Callable[[], datetime]
    principals: dict[str, tuple[str, str]] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    def who(self, authorization: str) -> Entry:
        """Who presents a token. Raises 401 for one that STS or EKS would refuse, and for a principal without entry."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise StatusError(401, "Unauthorized")
        arn = self._verified(token.strip())
        if arn not in self.entries:
            raise StatusError(401, "Unauthorized")
        return self.entries[arn]

    def _verified(self, token: str) -> str:
        url = urlsplit(_decoded(token))
        pairs = parse_qsl(url.query, keep_blank_values=True)
        query = dict(pairs)
        if len(query) != len(pairs) or not _is_regional_sts(url.scheme, url.netloc) or url.path != "/":
            raise StatusError(401, "Unauthorized")
        if query.get("Action") != "GetCallerIdentity" or int(query.get("X-Amz-Expires", "901")) > 900:
            raise StatusError(401, "Unauthorized")
        signed = query.get("X-Amz-SignedHeaders", "").split(";")
        age = self.now() - _signed_at(query.get("X-Amz-Date", ""))
        if _CLUSTER_HEADER not in signed or "host" not in signed or not timedelta(minutes=-5) < age < _VALID:
            raise StatusError(401, "Unauthorized")
        key, _, scope = query.get("X-Amz-Credential", "").partition("/")
        secret, arn = self.principals.get(key, ("", ""))
        headers = {"host": url.netloc, _CLUSTER_HEADER: self.cluster}
        expected = _signature(secret, scope, query, {name: headers.get(name, "") for name in signed})
        if not secret or not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            raise StatusError(401, "Unauthorized")
        return arn


def _decoded(token: str) -> str:
    if not token.startswith(_PREFIX) or len(token) > _MOST or "=" in token:
        raise StatusError(401, "Unauthorized")
    encoded = token.removeprefix(_PREFIX)
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        raise StatusError(401, "Unauthorized") from None


def _is_regional_sts(scheme: str, host: str) -> bool:
    first, _, rest = host.partition(".")
    return scheme == "https" and first == "sts" and rest.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _signed_at(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise StatusError(401, "Unauthorized") from None


def _signature(secret: str, scope: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Signature version 4 of a presigned GET, as STS computes it."""
    encoded = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query.items() if k != "X-Amz-Signature")
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in sorted(headers.items()))
    empty = hashlib.sha256(b"").hexdigest()
    asked = "\n".join(
        ["GET", "/", "&".join(f"{k}={v}" for k, v in encoded), lines, ";".join(sorted(headers)), empty],
    )
    told = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do."""

    verb: str
    kind: Kind
    namespace: str
    name: str
    subresource: str = ""

    @property
    def resource(self) -> str:
        """As rules name it."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def allow(store: Store, who: Entry, asked: Asked) -> None:
    """Raises 403 unless a role that is bound to the caller allows it."""
    if MASTERS in who.groups or any(_covers(rule, asked) for rule in _rules(store, who, asked.namespace)):
        return
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    subject = f"{asked.kind.resource}" + (f' "{asked.name}"' if asked.name else "")
    text = (
        f'{subject} is forbidden: User "{who.user}" cannot {asked.verb} resource "{asked.resource}" '
        f'in API group "{asked.kind.group}"{where}'
    )
    raise StatusError(403, text, kind=asked.kind, name=asked.name)


def _rules(store: Store, who: Entry, namespace: str) -> Iterable[Mapping[str, Any]]:
    bindings = [(each, "") for each in store.all(CLUSTER_ROLE_BINDING)]
    bindings += [(each, namespace) for each in store.all(ROLE_BINDING, namespace)] if namespace else []
    for binding, where in bindings:
        if any(_is(who, subject) for subject in binding.get("subjects", [])):
            reference = binding["roleRef"]
            kind, at = (ROLE, where) if reference["kind"] == "Role" else (CLUSTER_ROLE, "")
            yield from _role(store, kind, at, reference["name"]).get("rules", [])


def _role(store: Store, kind: Kind, namespace: str, name: str) -> Object:
    try:
        return store.get(kind, namespace, name)
    except StatusError as error:
        if str(error) == str(not_found(kind, name)):
            return {}  # a binding may name a role that comes later
        raise


def _is(who: Entry, subject: Mapping[str, Any]) -> bool:
    return (subject["kind"] == "Group" and subject["name"] in who.groups) or (
        subject["kind"] == "User" and subject["name"] == who.user
    )


def _covers(rule: Mapping[str, Any], asked: Asked) -> bool:
    def has(member: str, value: str) -> bool:
        return value in rule.get(member, []) or "*" in rule.get(member, [])

    named = not rule.get("resourceNames") or asked.name in rule["resourceNames"]
    return (
        has("verbs", asked.verb) and has("apiGroups", asked.kind.group) and has("resources", asked.resource) and named
    )
