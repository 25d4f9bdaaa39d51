"""Checks of tags: keys that are misspelt, values that nobody understands, tags where nobody reads them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from shlex import quote
from typing import TYPE_CHECKING, Final

from longshore import tasks, workloads
from longshore.aws.errors import aws_errors
from longshore.decisions import Reason
from longshore.redeploy.policy import PolicyError, parse_policy
from longshore.workloads import CHANNEL_TAG, CONTAINERS_TAG, POLICY_TAG, WorkloadId
from longshore_cli.checks.findings import Found, Unseen
from longshore_cli.checks.sight import is_cluster

if TYPE_CHECKING:
    from longshore_cli.checks.sight import Sight

VOCABULARY: Final = (
    POLICY_TAG,
    CONTAINERS_TAG,
    workloads.TEAM_TAG,
    CHANNEL_TAG,
    workloads.ALIAS_TAG,
    workloads.HUMAN_TAG,
    tasks.RECOVER_TAG,
    tasks.RETRY_TAG,
    tasks.ROOT_TAG,
    tasks.PARENT_TAG,
    tasks.ATTEMPT_TAG,
    tasks.CLASS_TAG,
)
"""Every tag that Longshore reads or writes (design 7)."""
_VALUES: Final = {tasks.RECOVER_TAG: ("auto", "off"), tasks.RETRY_TAG: ("idempotent",)}
_RECOVERED: Final = (":task-definition/", ":service/", ":container-instance/", ":instance/", ":task/")
"""Where `longshore:recover` and `longshore:retry` are read (docs/recover.md)."""
_ALIKE: Final = 0.85
_RESOURCES: Final = 20


def misspelt(sight: Sight) -> Iterator[Found | Unseen]:
    """Keys that look like Longshore's and are none of them."""
    pages = sight.client("resourcegroupstaggingapi").get_paginator("get_tag_keys").paginate()
    with aws_errors():
        keys = [key for page in pages for key in page["TagKeys"]]
    for key in sorted(keys):
        meant = meant_by(key)
        for place, (arn, value) in enumerate(sight.carrying(key) if meant else ()):
            if place >= _RESOURCES:
                yield Unseen(f"more than {_RESOURCES} resources have the tag {key!r}; the first are told")
                break
            away = untagging(arn, key)
            if meant in VOCABULARY and arn in dict(sight.carrying(meant)):
                text, fix = f"its tag {key!r} is read by nobody; it has {meant} as well", away
            elif meant in VOCABULARY:
                text, fix = (
                    f"its tag {key!r} is read by nobody; {meant} is meant",
                    f"{tagging(arn, meant, value)}; {away}",
                )
            else:
                text, fix = f"its tag {key!r} is read by nobody", f"write one of {', '.join(VOCABULARY)}; {away}"
            yield Found(arn, text, fix)


def meant_by(key: str) -> str:
    """The key that was meant by one that is not in the vocabulary; empty for what has nothing to do with it."""
    if key in VOCABULARY:
        return ""
    plain = key.strip().casefold().replace("longshore.dev/", "longshore:")
    likeness, nearest = max((SequenceMatcher(None, plain, each).ratio(), each) for each in VOCABULARY)
    if likeness >= _ALIKE:
        return nearest
    return "longshore:..." if plain.startswith("longshore:") else ""


def invalid_policy(sight: Sight) -> Iterator[Found | Unseen]:
    """Policies that the grammar refuses."""
    yield from sight.unseen
    for each in sight.observations:
        error = _refused(sight, each.workload.policy or "")
        if error and error.reason is not Reason.PROFILE_UNKNOWN:
            fix = f"{error.fix}: {tagging(each.workload.arn, POLICY_TAG, 'digest')}"
            yield Found(each.workload.arn, f"{error.key} {error.problem}: it follows nothing", fix)


def unknown_profile(sight: Sight) -> Iterator[Found | Unseen]:
    """Profiles that longshore.yaml does not have."""
    _ = sight.configuration
    yield from sight.unseen
    for each in sight.observations:
        error = _refused(sight, each.workload.policy or "")
        if error and error.reason is Reason.PROFILE_UNKNOWN:
            known = ", ".join(sorted(sight.looking.profiles)) or "none"
            fix = f"add it to profiles in longshore.yaml and deploy, or name one of: {known}"
            yield Found(each.workload.arn, f"{error.key} {error.problem}: it follows nothing", fix)


def _refused(sight: Sight, policy: str) -> PolicyError | None:
    try:
        parse_policy(policy, sight.looking.profiles)
    except PolicyError as error:
        return error
    return None


def wrong_value(sight: Sight) -> Iterator[Found | Unseen]:
    """Values of other tags that mean nothing."""
    for key, allowed in _VALUES.items():
        for arn, value in sight.carrying(key):
            if value not in allowed:
                text = f"its tag {key} is {value[:60]!r}, which means nothing"
                yield Found(arn, text, f"write one of {', '.join(allowed)}: {tagging(arn, key, allowed[0])}")
    yield from sight.unseen
    for each in sight.observations:
        workload = each.workload
        wanted = workload.tags.get(CONTAINERS_TAG, "").split()
        unknown = sorted(set(wanted) - set(workload.images))
        if unknown:
            names = " ".join(sorted(workload.images)) or "none"
            fix = f"name some of {names}: {tagging(workload.arn, CONTAINERS_TAG, names)}"
            yield Found(workload.arn, f"{CONTAINERS_TAG} names {' '.join(unknown)[:60]!r}, which it does not have", fix)


def unknown_channel(sight: Sight) -> Iterator[Found | Unseen]:
    """Channels that longshore.yaml does not have."""
    channels = sight.configuration.get("channels") or {}
    yield from sight.unseen
    for each in sight.observations:
        name = each.workload.tags.get(CHANNEL_TAG, "").strip()
        if name and name not in channels:
            fix = f"add it to channels in longshore.yaml, or name one of: {', '.join(sorted(channels)) or 'none'}"
            yield Found(
                each.workload.arn, f"{CHANNEL_TAG} names {name[:60]!r}, which longshore.yaml does not have", fix
            )


def in_vain(sight: Sight) -> Iterator[Found | Unseen]:
    """Tags on what cannot carry them."""
    for arn in sorted(sight.tagged):
        if not WorkloadId.names(arn) and not is_cluster(arn) and not _is_group(arn):
            fix = f"put it on the workload that runs the image; here: {untagging(arn, POLICY_TAG)}"
            yield Found(arn, f"carries {POLICY_TAG}, and is nothing that Longshore deploys to", fix)
    for key in _VALUES:
        for arn, _ in sight.carrying(key):
            if not any(part in arn for part in _RECOVERED):
                fix = f"put it on the task definition; here: {untagging(arn, key)}"
                yield Found(arn, f"carries {key}, which is not read there", fix)


def _is_group(arn: str) -> bool:
    """Whether it is a group of EventBridge Scheduler, which carries the tags of its schedules: they have none."""
    return arn.split(":")[2:3] == ["scheduler"] and ":schedule-group/" in arn


def tagging(arn: str, key: str, value: str) -> str:
    """The command or the annotation that sets a tag."""
    if "/" in arn and is_cluster(arn) and arn.count("/") > 1:
        _, namespace, kind, name = arn.split("/", 3)
        mark = quote(f"{key.replace('longshore:', 'longshore.dev/')}={value}")
        return f"kubectl annotate --overwrite -n {namespace} {kind} {name} {mark}"
    return (
        f"aws resourcegroupstaggingapi tag-resources --resource-arn-list {quote(arn)} --tags {quote(f'{key}={value}')}"
    )


def untagging(arn: str, key: str) -> str:
    """The command that takes a tag away."""
    return f"aws resourcegroupstaggingapi untag-resources --resource-arn-list {quote(arn)} --tag-keys {quote(key)}"
