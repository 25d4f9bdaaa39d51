"""ECR's lifecycle policies, worked out: which images a policy deletes.

The rules are those of https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html: an
image belongs to the first rule, by priority, whose selection it is in, whether that rule deletes it or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple


class Image(NamedTuple):
    """What lifecycle policies look at."""

    digest: str
    tags: tuple[str, ...]
    pushed: datetime


def doomed(rules: Sequence[Mapping[str, Any]], images: Sequence[Image], at: datetime) -> dict[str, int]:
    """The images that the policy has deleted by `at`, each with the priority of the rule that does it.

    Rules that archive, and those that count from the last pull, delete nothing here.
    """
    free = {image.digest: image for image in images}
    found: dict[str, int] = {}
    for rule in sorted(rules, key=lambda each: int(each["rulePriority"])):
        selection = rule["selection"]
        matched = [image for image in free.values() if _selects(selection, image)]
        ended = _ended(selection, matched, at) if rule.get("action", {}).get("type") == "expire" else []
        found |= {image.digest: int(rule["rulePriority"]) for image in ended}
        for image in matched:
            del free[image.digest]
    return found


def _selects(selection: Mapping[str, Any], image: Image) -> bool:
    status = selection.get("tagStatus", "any")
    if status == "untagged":
        return not image.tags
    if status == "any":
        return True
    wanted = [re.escape(prefix) + ".*" for prefix in selection.get("tagPrefixList") or []]
    wanted += [re.escape(p).replace(r"\*", ".*") for p in selection.get("tagPatternList") or []]
    return bool(wanted) and all(any(re.fullmatch(each, tag) for tag in image.tags) for each in wanted)


def _ended(selection: Mapping[str, Any], matched: Sequence[Image], at: datetime) -> Sequence[Image]:
    number, kind = int(selection.get("countNumber", 0)), selection.get("countType")
    if kind == "imageCountMoreThan":
        return sorted(matched, key=lambda image: image.pushed, reverse=True)[number:]
    if kind == "sinceImagePushed":
        return [image for image in matched if at - image.pushed > timedelta(days=number)]
    return ()
