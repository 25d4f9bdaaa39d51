"""The order that a policy puts tags in, and what it says of a candidate beside the current tag (redeploy 8.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from longshore.decisions import Decision, Reason
from longshore.redeploy.policy import (
    CalverPolicy,
    DigestPolicy,
    NewestPolicy,
    NumericPolicy,
    OnUnknown,
    Options,
    Policy,
    RedeployOn,
    Retag,
    SemverPolicy,
)
from longshore.versions import SemverTag, magnitude, parse_semver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from longshore.redeploy.state import Candidate, Current

_NEVER = datetime.min.replace(tzinfo=UTC)
_RETAGS = {
    Retag.ALERT: Reason.IMMUTABLE_RETAG,
    Retag.DEPLOY: Reason.MOVED,
    Retag.IGNORE: Reason.RETAG_IGNORED,
}
_Ordered = SemverPolicy | NumericPolicy | CalverPolicy


def follow(policy: Policy, current: Current, candidate: Candidate, platforms: Iterable[str]) -> Decision:
    """What the policy alone says of `candidate`; `platforms` are those that the workload needs."""
    if isinstance(policy, DigestPolicy | NewestPolicy | SemverPolicy | NumericPolicy | CalverPolicy):
        key = _key(policy.options, candidate.tag)
        if isinstance(key, Decision):
            return key
        if isinstance(policy, DigestPolicy):
            return _follow_digest(policy, current, candidate)
        if isinstance(policy, NewestPolicy):
            return _follow_newest(policy, key, current, candidate, platforms)
        return _follow_order(policy, key, current, candidate, platforms)
    return Decision(Reason.PINNED)


def place(policy: Policy, candidate: Candidate) -> Any:
    """The place in the policy's order of a candidate that `follow` would deploy; equal places are the same version."""
    if isinstance(policy, NewestPolicy):
        return recency(candidate)
    if isinstance(policy, DigestPolicy):
        return 0
    assert isinstance(policy, SemverPolicy | NumericPolicy | CalverPolicy)  # `pin` deploys nothing
    key = _key(policy.options, candidate.tag)
    found = _read(policy, str(key))
    return found.precedence if isinstance(found, SemverTag) else found


def recency(of: Candidate | Current) -> tuple[datetime, datetime, str]:
    """When a tag moved, by Longshore's record; times that are not known come first, and the tag itself breaks ties."""
    return of.moved_at or _NEVER, of.pushed_at or _NEVER, of.tag or ""


def preference(current: Current, candidate: Candidate) -> tuple[bool, int, str]:
    """Among tags for the same version and image: the current one, then the shortest, then the smallest code points."""
    return candidate.tag != current.tag, len(candidate.tag), candidate.tag


def unchanged(options: Options, current: Current, candidate: Candidate, platforms: Iterable[str]) -> Decision | None:
    """`same-digest` or `same-content` where a deployment would change nothing that runs (redeploy 8.3)."""
    if candidate.digest and candidate.digest in current.running:
        return Decision(Reason.SAME_DIGEST, {"digest": candidate.digest})
    needed = [candidate.on(platform) for platform in platforms] or [
        frozenset({digest}) for digest in candidate.platforms.values()
    ]
    by_content = options.redeploy_on is RedeployOn.CONTENT and bool(candidate.platforms)
    if by_content and all(images & current.running for images in needed):
        return Decision(Reason.SAME_CONTENT, {"digest": candidate.digest, "platforms": sorted(platforms)})
    return None


def _key(options: Options, tag: str) -> str | Decision:
    """What the policy reads of a tag, after `allow`, `deny` and `extract`, or why it reads nothing."""
    if options.allow and not any(pattern.matches(tag) for pattern in options.allow):
        return _left_out(tag, "allow")
    for pattern in options.deny:
        if pattern.matches(tag):
            return _left_out(tag, "deny", pattern=pattern.text)
    if options.extract is None:
        return tag
    key = options.extract.key(tag)
    return _left_out(tag, "extract") if key is None else key


def _left_out(tag: str, rule: str, **detail: str) -> Decision:
    return Decision(Reason.NOT_MATCHING, {"pushed": tag, "rule": rule, **detail})


def _follow_digest(policy: DigestPolicy, current: Current, candidate: Candidate) -> Decision:
    followed = policy.tag or current.tag
    if followed is None:
        return Decision(Reason.CURRENT_NOT_COMPARABLE, {"current": None})
    if candidate.tag != followed:
        return _left_out(candidate.tag, "tag", follows=followed)
    if not current.running and policy.options.on_unknown is OnUnknown.HOLD and not current.precedes(candidate):
        return Decision(Reason.UNKNOWN_RUNNING, {"pushed": candidate.tag})
    if not candidate.digest:
        return Decision(Reason.UNKNOWN_PUSHED, {"pushed": candidate.tag})
    return Decision(Reason.MOVED, {"tag": candidate.tag, "from": current.digest, "to": candidate.digest})


def _follow_newest(
    policy: NewestPolicy, key: str, current: Current, candidate: Candidate, platforms: Iterable[str]
) -> Decision:
    if not key.startswith(policy.prefix):
        return _left_out(candidate.tag, "prefix", prefix=policy.prefix)
    if candidate.tag == current.tag:
        return _same_version(policy, current, candidate, platforms)
    older = candidate.moved_at and current.moved_at and recency(candidate) < recency(current)
    if older and not policy.options.allow_downgrade:
        return Decision(Reason.SUPERSEDED, {"by": [current.tag]})
    return _newer(current, candidate)


def _follow_order(
    policy: _Ordered, key: str, current: Current, candidate: Candidate, platforms: Iterable[str]
) -> Decision:
    new = _read(policy, key)
    if isinstance(new, Decision):
        return new
    if isinstance(new, SemverTag) and not _admits(policy.options.prerelease, new):
        return _about(Reason.PRERELEASE, current, candidate, admitted=policy.options.prerelease)
    current_key = _key_of_current(policy.options, current)
    old = None if current_key is None else _read(policy, current_key)
    if old is None or isinstance(old, Decision):
        return _about(Reason.CURRENT_NOT_COMPARABLE, current, candidate, policy=policy.rule)
    if isinstance(new, SemverTag):
        assert isinstance(policy, SemverPolicy)
        return _follow_semver(policy, old, new, current, candidate, platforms)
    if new == old:
        return _same_version(policy, current, candidate, platforms)
    return _newer(current, candidate) if new > old else _about(Reason.DOWNGRADE, current, candidate)


def _follow_semver(
    policy: SemverPolicy,
    old: SemverTag,
    new: SemverTag,
    current: Current,
    candidate: Candidate,
    platforms: Iterable[str],
) -> Decision:
    if new.variant != old.variant:
        return _about(Reason.VARIANT, current, candidate, variant=old.variant)
    if new.precedence == old.precedence:
        return _same_version(policy, current, candidate, platforms)
    if new.precedence < old.precedence:
        return _about(Reason.DOWNGRADE, current, candidate)
    if not policy.allowed.permits(old, new):
        return _about(Reason.OUT_OF_RANGE, current, candidate, allowed=str(policy.allowed))
    if new.core[0] - old.core[0] > policy.options.max_major_jump:
        return _about(Reason.MAJOR_JUMP, current, candidate, max_major_jump=policy.options.max_major_jump)
    return _newer(current, candidate)


def _same_version(policy: Policy, current: Current, candidate: Candidate, platforms: Iterable[str]) -> Decision:
    """The current version, pushed again or under another tag: only digests tell whether it is another image."""
    same = unchanged(policy.options, current, candidate, platforms)
    if same is not None:
        return same
    if not current.running or not candidate.digest:
        return _about(Reason.SAME_VERSION, current, candidate)
    if candidate.tag != current.tag:
        return Decision(Reason.AMBIGUOUS, {"tags": sorted([candidate.tag, str(current.tag)])})
    reason = _RETAGS[policy.options.immutable_retag]
    return Decision(reason, {"tag": candidate.tag, "from": current.digest, "to": candidate.digest})


def _key_of_current(options: Options, current: Current) -> str | None:
    """Only `extract` applies: what runs need not be what would be allowed today."""
    if current.tag is None or options.extract is None:
        return current.tag
    return options.extract.key(current.tag)


def _read(policy: _Ordered, key: str) -> Any:
    """What orders a key under the policy, or the Decision that says why nothing does."""
    if isinstance(policy, SemverPolicy):
        return parse_semver(key) or Decision(Reason.NOT_SEMVER, {"pushed": key})
    if isinstance(policy, CalverPolicy):
        return policy.pattern.key(key) or Decision(Reason.NOT_CALVER, {"pushed": key, "pattern": policy.pattern.text})
    if not key.startswith(policy.prefix):
        return _left_out(key, "prefix", prefix=policy.prefix)
    number = magnitude(key.removeprefix(policy.prefix))
    return Decision(Reason.NOT_NUMERIC, {"pushed": key, "prefix": policy.prefix}) if number is None else number


def _admits(prerelease: str, version: SemverTag) -> bool:
    if not version.prerelease or prerelease == "include":
        return True
    return prerelease == f"channel:{version.channel}"


def _newer(current: Current, candidate: Candidate) -> Decision:
    return _about(Reason.NEWER, current, candidate)


def _about(reason: Reason, current: Current, candidate: Candidate, **detail: object) -> Decision:
    return Decision(reason, {"current": current.tag, "pushed": candidate.tag, **detail})
