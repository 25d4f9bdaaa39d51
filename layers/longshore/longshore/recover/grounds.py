"""Why a diagnosis names its remedy: a closed set of codes, each with its meaning.

What was decided in the end, with budgets and switches, is `reasons`; codes that mean the same are the same in both.
"""

from __future__ import annotations

from longshore.codes import Code


class Ground(Code):
    """Why this remedy. Codes are public and never change their meaning."""

    NEVER_STARTED = "never-started", "none of its code ran, so that another try repeats nothing"
    IDEMPOTENT = "idempotent", "it ran, and `longshore:retry=idempotent` allows that it is run again"
    NOT_IDEMPOTENT = "not-idempotent", "it ran, and nothing says that it may be run again"
    NOT_MENDED = "not-mended", "another try would not mend this failure"
    NOT_FINAL = "not-final", "it has not stopped yet"
    COMPLETED = "completed", "what it was started for ended with exit code 0"
    CLEAN_EXIT = "clean-exit", "a task of a service ended with exit code 0, which counts towards a crash loop"
    HUMAN_STOP = "human-stop", "somebody stopped it"
    OWN_STOP = "own-stop", "Longshore stopped it and goes on from its ledger"
    SCALE_IN = "scale-in", "the service's scheduler stopped it: a scale-in, a deployment or a rebalancing"
    OWNED_ELSEWHERE = "owned-elsewhere", "somebody else starts this task again"
    ECS_REPLACES = "ecs-replaces", "ECS starts another one by itself"
    AWS_REPAIRS = "aws-repairs", "AWS repairs or replaces this by itself"
    NEEDS_HELP = "needs-help", "ECS goes on trying, and somebody should know why it does not succeed"
    DIGEST_GONE = "digest-gone", "the digest that ECS pinned is gone: a new deployment resolves the tag again"
    UNRESOLVED = "unresolved", "the image's name led to no image: a new deployment resolves it again"
    IMAGE_GONE = "image-gone", "the image is gone, the last good task definition is not"
    NEW_REVISION = "new-revision", "a new revision that cannot start: the last good one could"
    SETTLED_REVISION = "settled-revision", "this revision has been deployed and ran: a rollback would not mend it"
    SUSPECT_INSTANCE = "suspect-instance", "the instance is suspected: drained once a second task says the same"
    IMPAIRED_INSTANCE = "impaired-instance", "the instance cannot run containers any more"
    AGENT_LOST = "agent-lost", "the agent is disconnected: drained if it still is when looked at again"
    ON_PREMISES = "on-premises", "its containers probably still run where Longshore cannot see them"
    INSTANCE_ENDS = "instance-ends", "the instance is about to be taken away"
    RETIREMENT = "retirement", "the platform is about to stop it: what replaces it starts before"
    STUCK = "stuck", "it has been in this state for longer than it should"
    TOO_LONG = "too-long", "it has run for longer than its family may"
    MISSED = "missed", "its end was not told: it is diagnosed from what ECS says now"
    INFORMATIONAL = "informational", "nothing failed"
    UNKNOWN = "unknown", "nothing known explains it"
