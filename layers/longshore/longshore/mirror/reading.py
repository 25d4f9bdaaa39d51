"""Reads `mirrors` of the compiled configuration; whatever is wrong is told with its key and what to write."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast, get_args

from longshore.errors import ConfigurationError
from longshore.images import Endpoint, ImageReference, is_name, is_tag
from longshore.mirror.orders import Referrers
from longshore.mirror.rules import (
    By,
    Catalog,
    Downstream,
    Mirror,
    OnMove,
    Per,
    Prune,
    TagRules,
    Template,
)
from longshore.mirror.trees import normal_platform
from longshore.patterns import Pattern, PatternError, compile_pattern
from longshore.versions import Range, VersionError, parse_range

_Choice = TypeVar("_Choice", bound=StrEnum)

_GLOB = re.compile(r"[A-Za-z0-9_.*?-]{1,120}", re.ASCII)
_DURATION = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", re.ASCII)
_IMMUTABILITY = ("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION")
_OF_PRIVATE_ECR = ("immutability", "mutable_tags", "scan_on_push", "kms_key", "lifecycle")
_LEAST_EVERY = 3600
_SAME_ACCOUNT = "ecr:"
_PUBLIC_NAME = re.compile(r"[a-z0-9][a-z0-9-]*/.+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Home:
    """The account and Region that ``ecr:NAME`` stands for, and the domain of its registry."""

    account: str = "000000000000"
    region: str = "us-east-1"
    domain: str = "amazonaws.com"

    @property
    def host(self) -> str:
        """The host of the private registry."""
        return f"{self.account}.dkr.ecr.{self.region}.{self.domain}"


def read_mirrors(raw: object, home: Home | None = None) -> dict[str, Mirror]:
    """Every mirror, by name, in the order of the file. Raises ConfigurationError naming key and fix.

    Two mirrors may not write to one repository, and none may write to its own upstream, however long the way round.
    """
    if not isinstance(raw, Mapping):
        raise ConfigurationError("mirrors", "is not a mapping", "name each mirror: nginx: {from: nginx, to: ecr:nginx}")
    mirrors = {str(name): _Fields(f"mirrors.{name}", raw[name], home or Home()).mirror(str(name)) for name in raw}
    _refuse_two_writers(mirrors)
    _refuse_circles(mirrors)
    return mirrors


def check_mirrors(raw: object) -> None:
    """Reads them, and raises ConfigurationError also for what a registry would refuse of each image, or never see."""
    for name, mirror in read_mirrors(raw).items():
        _Fields(f"mirrors.{name}", cast("Mapping[str, Any]", raw)[name], Home()).check_registries(mirror)


def _refuse_two_writers(mirrors: Mapping[str, Mirror]) -> None:
    writers: dict[Endpoint, str] = {}
    for mirror in mirrors.values():
        for place, downstream in enumerate(mirror.downstreams):
            first = writers.setdefault(downstream.endpoint, mirror.name)
            if first != mirror.name or downstream in mirror.downstreams[:place]:
                key = f"mirrors.{mirror.name}.to[{place}]"
                fix = "one repository has one mirror: write to another one, or join the two"
                raise ConfigurationError(key, f"mirrors.{first} writes to {downstream.endpoint} too", fix)


def _refuse_circles(mirrors: Mapping[str, Mirror]) -> None:
    """What is copied to a place may be copied on from there, but never back to where it came from."""
    upstream_of = {each.endpoint: mirror for mirror in mirrors.values() for each in mirror.downstreams}
    for mirror in mirrors.values():
        seen: set[Endpoint] = {each.endpoint for each in mirror.downstreams}
        at: Mirror | None = mirror
        while at is not None:
            if at.upstream in seen:
                fix = "copy from somewhere else"
                raise ConfigurationError(f"mirrors.{mirror.name}.from", "is fed by this mirror itself", fix)
            seen.add(at.upstream)
            at = upstream_of.get(at.upstream)


@dataclass(frozen=True, slots=True)
class _Fields:
    """The members of one mapping under a key."""

    key: str
    raw: Any
    home: Home

    def mirror(self, name: str) -> Mirror:
        """The whole entry."""
        self._require_mapping("write at least from and to")
        mirror = Mirror(
            name=name,
            upstream=self._endpoint("from", self._text("from"))[0],
            downstreams=self._downstreams(),
            tags=self._under("tags").tag_rules(),
            platforms=self._platforms(),
            referrers=self._referrers(),
            demanded="referrers" in self.raw,
            every=self._duration("every", timedelta(days=1), least=_LEAST_EVERY),
            on_move=self._choice("on_move", OnMove.COPY),
            template=self._under("repository").template(),
            catalog=self._under("catalog").catalog() if self.raw.get("catalog") else None,
            prune=self._under("prune").prune() if self.raw.get("prune") else None,
            keep_pulls=self._count("keep_pulls", 10, 0, 1_000_000),
            secret=self._text("secret", ""),
        )
        self._check_places(mirror)
        return mirror

    def _check_places(self, mirror: Mirror) -> None:
        if mirror.catalog and not any(each.is_public for each in mirror.downstreams):
            raise self._error("catalog", "goes with a repository of public.ecr.aws in to only", "remove it")
        if mirror.prune:
            for place, downstream in enumerate(mirror.downstreams):
                if not downstream.creatable:
                    raise self._error("prune", f"cannot delete from to[{place}], which is not ECR", "remove it")
        if mirror.prune and not mirror.tags.listed:
            raise self._error("prune", "needs to know all of upstream's tags", "choose tags by a glob as well")

    def check_registries(self, mirror: Mirror) -> None:
        """Raises ConfigurationError."""
        is_ecr = [each.is_ecr for each in mirror.downstreams]
        if len(mirror.platforms) > 1 and any(is_ecr):
            place = f"to[{is_ecr.index(True)}]" if isinstance(self.raw["to"], list) else "to"
            fix = "name one, or leave platforms out: ECR takes no index without all of its images"
            raise self._error("platforms", f"are several, and {place} is in ECR", fix)
        ignored = [name for name in _OF_PRIVATE_ECR if name in (self.raw.get("repository") or {})]
        if ignored and not any(is_ecr):
            problem = "goes with a repository of private ECR in to only"
            raise self._error(f"repository.{ignored[0]}", problem, "remove it")

    def _downstreams(self) -> tuple[Downstream, ...]:
        raw = self.raw.get("to")
        places = raw if isinstance(raw, list) else [raw]
        if not places:
            raise self._error("to", "is empty", "name one repository or several")
        return tuple(self._downstream(f"to[{at}]" if isinstance(raw, list) else "to", each) for at, each in _at(places))

    def _downstream(self, member: str, raw: object) -> Downstream:
        if isinstance(raw, Mapping):
            fields = _Fields(f"{self.key}.{member}", raw, self.home)
            endpoint, text = fields._endpoint("repository", fields._text("repository"))
            downstream = Downstream(endpoint, fields._text("secret", ""))
        elif isinstance(raw, str):
            endpoint, text = self._endpoint(member, raw)
            downstream = Downstream(endpoint)
        else:
            raise self._error(member, "is no repository", "write ecr:NAME, public.ecr.aws/ALIAS/NAME or HOST/NAME")
        if downstream.is_public and _PUBLIC_NAME.fullmatch(endpoint.name) is None:
            raise self._error(member, f"{text!r} lacks the registry's alias", "write public.ecr.aws/ALIAS/NAME")
        if downstream.creatable and downstream.secret:
            raise self._error(member, "is in ECR, which needs no secret", "remove secret")
        return downstream

    def _endpoint(self, member: str, text: str) -> tuple[Endpoint, str]:
        if text.startswith(_SAME_ACCOUNT):
            name = text.removeprefix(_SAME_ACCOUNT)
            if not is_name(name):
                raise self._error(member, f"{text[:200]!r} is no repository", "write ecr:NAME, in lower case")
            return Endpoint(self.home.host, name), text
        try:
            reference = ImageReference.parse(text)
        except ValueError as error:
            raise self._error(member, str(error), "write HOST/NAME, without a tag") from None
        if reference.tag or reference.digest:
            raise self._error(member, f"{text[:200]!r} names one image", "write HOST/NAME; tags says which images")
        return reference.endpoint, text

    def _referrers(self) -> Referrers:
        value = self.raw.get("referrers", "all")
        for known in get_args(Referrers):
            if value == known:
                return cast("Referrers", value)
        raise self._error("referrers", f"is {str(value)[:80]!r}", "one of " + ", ".join(get_args(Referrers)))

    def _platforms(self) -> tuple[str, ...]:
        names = self._texts("platforms")
        for at, name in _at(names):
            if _PLATFORM.fullmatch(name) is None:
                raise self._error(f"platforms[{at}]", f"{name[:80]!r} is no platform", "as in linux/amd64")
        return tuple(dict.fromkeys(map(normal_platform, names)))

    def tag_rules(self) -> TagRules:
        """The member `tags`."""
        self._require_mapping("as in include: ['1.27.*']")
        include = self._texts("include")
        latest = self._count("latest", 0, 1, 100_000) if self.raw.get("latest") is not None else None
        return TagRules(
            include=self._globs("include"),
            names=tuple(name for name in include if is_tag(name)),
            regex=self._patterns("regex"),
            semver=self._range(),
            exclude=(*self._globs("exclude"), *self._patterns("exclude_regex")),
            prerelease=self._flag("prerelease", default=False),
            variants=self._variants(),
            latest=latest,
            per=self._choice("per", Per.ALL),
            by=self._choice("by", By.VERSION),
            min_age=self._duration("min_age", timedelta()),
            immutable=self._globs("immutable"),
        )

    def _variants(self) -> tuple[str, ...]:
        return tuple(self._texts("variants", allow_empty=True)) if self.raw.get("variants") is not None else ("",)

    def _range(self) -> Range | None:
        text = self._text("semver", "")
        try:
            return parse_range(text) if text else None
        except VersionError as error:
            raise self._error("semver", f"{text[:80]!r} {error}", "as in '>=1.25 <2', '~1.27' or '1.x'") from None

    def _globs(self, member: str) -> tuple[Pattern, ...]:
        found = []
        for at, text in _at(self._texts(member)):
            if _GLOB.fullmatch(text) is None:
                fix = "letters, digits, '_', '.', '-', and the wildcards * and ?"
                raise self._error(self._place(member, at), f"{text[:80]!r} is no tag and no glob", fix)
            found.append(glob(text))
        return tuple(found)

    def _patterns(self, member: str) -> tuple[Pattern, ...]:
        found = []
        for at, text in _at(self._texts(member)):
            try:
                found.append(compile_pattern(text))
            except PatternError as error:
                fix = r"as in '^v?\d+\.\d+$'"
                raise self._error(self._place(member, at), f"{text[:80]!r} {error}", fix) from None
        return tuple(found)

    def _place(self, member: str, at: int) -> str:
        return f"{member}[{at}]" if isinstance(self.raw.get(member), list) else member

    def template(self) -> Template:
        """The member `repository`."""
        self._require_mapping("as in immutability: IMMUTABLE")
        immutability = self._text("immutability", "MUTABLE")
        if immutability not in _IMMUTABILITY:
            raise self._error("immutability", f"is {immutability[:80]!r}", "one of " + ", ".join(_IMMUTABILITY))
        mutable = tuple(self._texts("mutable_tags"))
        if bool(mutable) != (immutability == "IMMUTABLE_WITH_EXCLUSION"):
            raise self._error("mutable_tags", "goes with IMMUTABLE_WITH_EXCLUSION, and that with it", "write both")
        tags = self.raw.get("tags") or {}
        if not isinstance(tags, Mapping):
            raise self._error("tags", "is not a mapping", "as in team: shop")
        return Template(
            create=self._flag("create", default=True),
            immutability=immutability,
            mutable_tags=mutable,
            scan_on_push=self._flag("scan_on_push", default=True),
            kms_key=self._text("kms_key", ""),
            lifecycle=self._lifecycle(),
            tags={str(key): str(value) for key, value in tags.items()},
        )

    def _lifecycle(self) -> str:
        value = self.raw.get("lifecycle")
        if value is None:
            return ""
        try:
            document = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            document = None
        if not isinstance(document, Mapping) or not isinstance(document.get("rules"), list) or not document["rules"]:
            raise self._error("lifecycle", "is no lifecycle policy", "write rules: [...] as ECR documents it")
        return json.dumps(document, sort_keys=True)

    def catalog(self) -> Catalog:
        """The member `catalog`."""
        self._require_mapping("as in description: what it is")
        return Catalog(
            description=self._text("description", ""),
            about=self._text("about", ""),
            usage=self._text("usage", ""),
            architectures=tuple(self._texts("architectures")),
            operating_systems=tuple(self._texts("operating_systems")),
        )

    def prune(self) -> Prune:
        """The member `prune`."""
        self._require_mapping("as in after: 30d")
        if self.raw.get("after") is None:
            raise self._error("after", "is missing", "as in after: 30d")
        return Prune(self._duration("after", timedelta(), least=_UNITS["h"]), self._count("most", 20, 1, 100))

    # -- members of any kind ----------------------------------------------------------------------------------------

    def _under(self, member: str) -> _Fields:
        return _Fields(f"{self.key}.{member}", self.raw.get(member) or {}, self.home)

    def _require_mapping(self, fix: str) -> None:
        if not isinstance(self.raw, Mapping):
            raise ConfigurationError(self.key, "is not a mapping", fix)

    def _text(self, member: str, default: str | None = None) -> str:
        value = self.raw.get(member, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self._error(member, "is missing" if value is None else f"is {str(value)[:80]!r}", "write text")
        return value

    def _texts(self, member: str, *, allow_empty: bool = False) -> list[str]:
        value = self.raw.get(member) or []
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(each, str) and (each or allow_empty) for each in texts):
            raise self._error(member, f"is {str(value)[:80]!r}", "write text, in quotes, or a list of it")
        return texts

    def _choice(self, member: str, default: _Choice) -> _Choice:
        value = self.raw.get(member, default)
        try:
            return type(default)(value)
        except ValueError:
            raise self._error(member, f"is {str(value)[:80]!r}", "one of " + ", ".join(type(default))) from None

    def _flag(self, member: str, *, default: bool) -> bool:
        value = self.raw.get(member, default)
        if not isinstance(value, bool):
            raise self._error(member, f"is {str(value)[:80]!r}", "true or false")
        return value

    def _count(self, member: str, default: int, least: int, most: int) -> int:
        value = self.raw.get(member, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._error(member, f"is {str(value)[:80]!r}", f"a whole number from {least} to {most}")
        return value

    def _duration(self, member: str, default: timedelta, least: int = 0) -> timedelta:
        value = self.raw.get(member)
        if value is None:
            return default
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = int(match[1]) * _UNITS[match[2]] if match else value
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < least:
            fix = f"at least {least} seconds, or text such as 12h, 3d, 2w"
            raise self._error(member, f"is {str(value)[:80]!r}", fix)
        return timedelta(seconds=seconds)

    def _error(self, member: str, problem: str, fix: str) -> ConfigurationError:
        return ConfigurationError(f"{self.key}.{member}", problem, fix)


def glob(text: str) -> Pattern:
    """A tag, or a glob of tags with ``*`` and ``?``, as a pattern of the whole tag."""
    return compile_pattern("^" + "".join({"*": ".*", "?": "."}.get(c) or c.replace(".", r"\.") for c in text) + "$")


def _at(values: list[Any]) -> list[tuple[int, Any]]:
    return list(enumerate(values))
