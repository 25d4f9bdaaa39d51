"""What people call an image that is written by digest, where the workload itself carries the tag that tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.workload_ids import HUMAN_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG_VALUE = 256  # characters of an AWS tag value


def remembered(image: str, tag: str | None, before: str) -> str | None:
    """The value of `longshore:tag`, ``<tag>@<digest>``, the newest first; None where nothing need be known.

    The one before stays while there is room, for it is true until the update has succeeded.
    """
    _, _, digest = image.partition("@")
    if not digest or not tag:
        return None
    newest = f"{tag}@{digest}"
    others = [entry for entry in before.split() if entry != newest][:1]
    whole = " ".join((newest, *others))
    return whole if len(whole) <= _TAG_VALUE else newest


def recalled(image: str, tags: Mapping[str, str]) -> str:
    """The tag that was kept for the digest by which `image` is written; empty where none was."""
    _, _, digest = image.partition("@")
    entries = (entry.rpartition("@") for entry in tags.get(HUMAN_TAG, "").split())
    return next((tag for tag, _, kept in entries if tag and kept == digest), "")
