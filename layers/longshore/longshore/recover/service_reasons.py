"""Why something is done, or not, about a service or a stuck task, and why a trouble ended: closed sets of codes."""

from __future__ import annotations

from longshore.codes import Code


class CareReason(Code):
    """Why. Codes are public and never change their meaning; what they share with `reasons` means the same there."""

    ROLLBACK = "rollback", "redeploy is asked to go back to the last known good image"
    HEAL = "heal", "redeploy is asked for a new deployment, which resolves the tag again"
    STOPPED = "stopped", "the stuck task is stopped, and ECS starts another one"
    OWNED_ELSEWHERE = "owned-elsewhere", "CodeDeploy or an external controller rolls the service out"
    INSTANCE_SUSPECTED = "instance-suspected", "the failures are on one instance and not on the others"
    LEFT_TO_BREAKER = "left-to-breaker", "ECS works on the deployment, and its circuit breaker watches it"
    NOT_MENDED = "not-mended", "no deployment would mend this failure"
    NO_RECENT_CHANGE = "no-recent-change", "the service was last changed more than a day ago: not a bad deployment"
    ALREADY_ASKED = "already-asked", "it was asked for before"
    ROLLED_BACK = "rolled-back", "this deployment is the way back that was asked for"
    IMAGE_ELSEWHERE = "image-elsewhere", "the image lies where Longshore cannot look: another registry, or forbidden"
    NO_POLICY = "no-policy", "the service has no tag `longshore:policy`, so that redeploy does not touch it"
    NOT_OPTED_IN = "not-opted-in", "the task definition has no tag `longshore:recover=auto`"
    OBSERVE_ONLY = "observe-only", "recover is set to `observe`"
    NOTIFY_ONLY = "notify-only", "the configuration says `act: notify`"
    PAUSED = "paused", "Longshore is paused"
    TOO_SOON = "too-soon", "another task of the service was stopped less than ten minutes ago"
    NOT_IDEMPOTENT = "not-idempotent", "it ran, and nothing says that it may be run again"
    SERVICE_EVENT = "service-event", "ECS tells that the service lacks something, which only people can give"
    STUCK = "stuck", "it has been in this state for longer than it should"


class EndReason(Code):
    """Why a trouble is over."""

    STEADY = "steady", "the service is steady, and nothing failed since"
    QUIET = "quiet", "nothing failed for long enough"
    NEWER_DEPLOYMENT = "newer-deployment", "a newer deployment took the place of the one that failed"
    NOT_WANTED = "not-wanted", "the service is gone, or wants no tasks any more"
    MOVED_ON = "moved-on", "no task is stuck there any more"
