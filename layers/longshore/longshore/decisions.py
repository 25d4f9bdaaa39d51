"""Decisions: what Longshore does about a workload, and why, from a closed set of reasons (design 6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from longshore.codes import Code

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(StrEnum):
    """What follows from a decision."""

    DEPLOY = "deploy"
    """The workload is moved now."""
    SKIP = "skip"
    """Nothing is to be done, and nobody need look."""
    HOLD = "hold"
    """Something forbids it until a person, or a newer image, changes that."""
    WAIT = "wait"
    """It is decided again later, without anybody's help."""


class Reason(Code):
    """Why. Each code has one verdict and one meaning; codes are public and never change theirs.

    Where several holds or waits apply at once, the one that stands first here is reported.
    """

    verdict: Verdict

    def __init__(self, code: str, verdict: Verdict, meaning: str) -> None:
        super().__init__(code, meaning)
        self.verdict = verdict

    NEWER = "newer", Verdict.DEPLOY, "the policy orders the pushed tag after the current one"
    MOVED = "moved", Verdict.DEPLOY, "the tag that is followed names another image now"
    ROLLBACK = "rollback", Verdict.DEPLOY, "back to the last known good image"
    HEAL = "heal", Verdict.DEPLOY, "the running image can no longer be pulled, or its tasks do not stay up"
    RETIREMENT = "retirement", Verdict.DEPLOY, "the platform is about to retire what runs"

    SAME_DIGEST = "same-digest", Verdict.SKIP, "this image runs already"
    SAME_CONTENT = "same-content", Verdict.SKIP, "the index differs, what the workload's platforms run does not"
    SAME_VERSION = "same-version", Verdict.SKIP, "the current version, and no digests to tell whether it moved"
    RETAG_IGNORED = (
        "retag-ignored",
        Verdict.SKIP,
        "the current version names another image now, which the profile ignores",
    )
    DOWNGRADE = "downgrade", Verdict.SKIP, "the pushed tag is older than the current one"
    OUT_OF_RANGE = "out-of-range", Verdict.SKIP, "newer, but outside the level or range that the policy allows"
    MAJOR_JUMP = "major-jump", Verdict.SKIP, "the major version rises by more than the policy believes"
    PRERELEASE = "prerelease", Verdict.SKIP, "a pre-release that the policy does not admit"
    VARIANT = "variant", Verdict.SKIP, "another variant (`-alpine`, `-debian`) than the current one"
    NOT_SEMVER = "not-semver", Verdict.SKIP, "the pushed tag is not a semantic version"
    NOT_NUMERIC = "not-numeric", Verdict.SKIP, "what follows the prefix is not a number"
    NOT_CALVER = "not-calver", Verdict.SKIP, "the pushed tag does not have the calendar pattern"
    NOT_MATCHING = (
        "not-matching",
        Verdict.SKIP,
        "the tag, prefix, allow, deny or extract rule leaves the pushed tag out",
    )
    PINNED = "pinned", Verdict.SKIP, "the policy is `pin`"
    SUPERSEDED = "superseded", Verdict.SKIP, "a newer candidate takes its place"
    UNTAGGED = "untagged", Verdict.SKIP, "a push without a tag: a child of an index, or an attestation"
    ARTIFACT = "artifact", Verdict.SKIP, "a signature, an attestation, an SBOM or a build cache, not an image to run"
    IMAGE_MISSING = "image-missing", Verdict.SKIP, "the tag names nothing in the registry any more"
    NOT_FOLLOWED = "not-followed", Verdict.SKIP, "no workload follows the repository"
    NOT_RUNNING = "not-running", Verdict.SKIP, "nothing runs; what starts next resolves the declared tag by itself"
    NOT_OPTED_IN = "not-opted-in", Verdict.SKIP, "the workload has no `longshore:policy`"

    INVALID_POLICY = "invalid-policy", Verdict.HOLD, "the policy cannot be read"
    PROFILE_UNKNOWN = "profile-unknown", Verdict.HOLD, "the policy names a profile that the configuration lacks"
    CURRENT_NOT_COMPARABLE = (
        "current-not-comparable",
        Verdict.HOLD,
        "the current tag has no place in the policy's order",
    )
    AMBIGUOUS = "ambiguous", Verdict.HOLD, "two tags stand for the same version and name different images"
    IMMUTABLE_RETAG = "immutable-retag", Verdict.HOLD, "the current version was pushed again with another image"
    UNKNOWN_RUNNING = "unknown-running", Verdict.HOLD, "the platform cannot tell which digest runs"
    UNKNOWN_PUSHED = "unknown-pushed", Verdict.HOLD, "the digest of the pushed tag is not known"
    UNSUPPORTED_PLATFORM = "unsupported-platform", Verdict.HOLD, "Longshore does not deploy to this platform"
    ALIAS_MISSING = "alias-missing", Verdict.HOLD, "`longshore:alias` names an alias that the function lacks"
    REVISION_NOT_PINNED = "revision-not-pinned", Verdict.HOLD, "each run takes the newest revision of the family itself"
    CONTROLLER_CODE_DEPLOY = (
        "controller-code-deploy",
        Verdict.HOLD,
        "CodeDeploy rolls this service out, and Longshore cannot have it do so",
    )
    CONTROLLER_EXTERNAL = "controller-external", Verdict.HOLD, "an external controller rolls this service out"
    DEPLOYS_ITSELF = "deploys-itself", Verdict.HOLD, "App Runner follows the image by its own automatic deployments"
    SERVICE_PAUSED = "service-paused", Verdict.HOLD, "the service is paused, and deploys nothing until it is resumed"
    GITOPS_OWNED = "gitops-owned", Verdict.HOLD, "Argo CD or Flux owns the workload and would undo the change"
    OWNED = "owned", Verdict.HOLD, "the profile leaves the workload to whoever declares it"
    STACK_NOT_UPDATABLE = (
        "stack-not-updatable",
        Verdict.HOLD,
        "the profile asks for the stack's parameter, and it cannot be set",
    )
    CLUSTER_ENDPOINT_PRIVATE = "cluster-endpoint-private", Verdict.HOLD, "the cluster's endpoint cannot be reached"
    PASS_ROLE_NOT_GRANTED = "pass-role-not-granted", Verdict.HOLD, "`PassableRoleArns` lacks a role of the new revision"
    PAUSED = "paused", Verdict.HOLD, "Longshore is paused"
    FROZEN = "frozen", Verdict.HOLD, "a freeze is on"
    HELD = "held", Verdict.HOLD, "the workload is held"
    QUARANTINED = "quarantined", Verdict.HOLD, "this image failed before"
    PLATFORM = "platform", Verdict.HOLD, "the image lacks a platform that the workload needs"
    GATE_NEEDS_DIGEST = "gate-needs-digest", Verdict.HOLD, "a gate or an approval holds only with `write: digest`"
    GATE_FAILED = "gate-failed", Verdict.HOLD, "a gate refused this image"
    GATE_NO_RESULT = "gate-no-result", Verdict.HOLD, "a gate cannot judge this image, which never counts as a pass"
    APPROVAL_REJECTED = "approval-rejected", Verdict.HOLD, "an approver said no to this image"
    APPROVAL_EXPIRED = "approval-expired", Verdict.HOLD, "nobody approved this image in time"
    REPLICATION_FAILED = "replication-failed", Verdict.HOLD, "ECR could not replicate the image to another registry"
    OBSERVE_ONLY = "observe-only", Verdict.HOLD, "redeploy is set to `observe`"

    SETTLING = "settling", Verdict.WAIT, "the tag has just moved and may move again"
    INCOMPLETE_INDEX = "incomplete-index", Verdict.WAIT, "some images of the index are not there yet"
    REPLICATING = "replicating", Verdict.WAIT, "ECR has not replicated the image to the workload's registry yet"
    REGISTRY_UNREACHABLE = "registry-unreachable", Verdict.WAIT, "the image's registry could not be asked"
    GATE_PENDING = "gate-pending", Verdict.WAIT, "a gate has not judged this image yet"
    APPROVAL_PENDING = "approval-pending", Verdict.WAIT, "nobody has approved this image yet"
    DEPLOYMENT_IN_PROGRESS = "deployment-in-progress", Verdict.WAIT, "another deployment of the workload is under way"
    STACK_BUSY = "stack-busy", Verdict.WAIT, "the owner's stack is being changed"
    WINDOW_CLOSED = "window-closed", Verdict.WAIT, "outside the deployment window"
    COOLDOWN = "cooldown", Verdict.WAIT, "too soon after the last deployment"
    RATE_CAPPED = "rate-capped", Verdict.WAIT, "as many deployments as are allowed at once are under way"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: its reason, which implies the verdict, and the reason's parameters (only what JSON can say)."""

    reason: Reason
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def verdict(self) -> Verdict:
        """What follows."""
        return self.reason.verdict

    @property
    def deploys(self) -> bool:
        """Whether the workload is to be moved now."""
        return self.verdict is Verdict.DEPLOY

    def as_json(self) -> dict[str, Any]:
        """``{"verdict", "reason", "detail"}``, the shape that `longshore decide` and the events share."""
        return {"verdict": self.verdict.value, "reason": self.reason.value, "detail": dict(self.detail)}
