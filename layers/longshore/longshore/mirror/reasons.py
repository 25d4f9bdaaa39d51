"""What becomes of each tag of a mirror, and why: a closed set of codes, which are public and never change theirs."""

from __future__ import annotations

from enum import StrEnum

from longshore.codes import Code


class Action(StrEnum):
    """What follows from a reason."""

    COPY = "copy"
    SKIP = "skip"
    HOLD = "hold"
    """Something forbids it until a person or upstream changes that."""
    WAIT = "wait"
    DELETE = "delete"


class Reason(Code):
    """Why."""

    action: Action

    def __init__(self, code: str, action: Action, meaning: str) -> None:
        super().__init__(code, meaning)
        self.action = action

    NEW = "new", Action.COPY, "downstream does not have the tag"
    MOVED = "moved", Action.COPY, "the tag names another image upstream now"
    REPAIR = "repair", Action.COPY, "downstream's tag is not what was copied there"
    TERMS = "terms", Action.COPY, "the mirror's platforms or referrers were changed"
    REFERRERS = "referrers", Action.COPY, "signatures or SBOMs came after the image"

    IN_SYNC = "in-sync", Action.SKIP, "downstream has it"
    KNOWN = "known", Action.SKIP, "copied before, and upstream never moves such a tag"
    NOT_CHOSEN = "not-chosen", Action.SKIP, "no include, regex or semver chooses it"
    EXCLUDED = "excluded", Action.SKIP, "an exclude leaves it out"
    PRERELEASE = "prerelease", Action.SKIP, "a pre-release"
    VARIANT = "variant", Action.SKIP, "another variant than those wanted"
    OLDER = "older", Action.SKIP, "not among the newest that are kept"
    ARTIFACT = "artifact", Action.SKIP, "the tag of a signature or an SBOM, which goes along with its image"
    MISSING = "missing", Action.SKIP, "upstream has no such tag"

    KEPT = "kept", Action.HOLD, "moved upstream, and the mirror keeps what it copied (on_move: keep)"
    IMMUTABLE = "immutable", Action.HOLD, "moved upstream, and downstream's tag is immutable"
    PRUNE_GUARD = "prune-guard", Action.HOLD, "too many tags would be deleted at once"
    CHANGED_BY_HAND = "changed-by-hand", Action.HOLD, "gone upstream, and downstream's is not what was copied"
    DENIED = "denied", Action.HOLD, "a registry refuses to tell what this tag names"

    UNREADABLE = "unreadable", Action.WAIT, "a registry could not be asked for it"
    TOO_YOUNG = "too-young", Action.WAIT, "seen for the first time too recently (min_age)"
    BUDGET = "budget", Action.WAIT, "upstream's pulls are used up"
    GRACE = "grace", Action.WAIT, "gone upstream, and to be deleted when its time is over"

    GONE = "gone", Action.DELETE, "gone upstream for long enough"
