"""Every check of `longshore doctor`, one row each: the closed set of its codes (docs/doctor.md)."""

from __future__ import annotations

from typing import Final

from longshore_cli.checks import grants, images, retired, secrets, stack, standing, tags
from longshore_cli.checks.findings import Check, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

CHECKS: Final = (
    Check("stack-missing", _ERROR, "whether the stack is deployed in this account and Region", stack.missing),
    Check("stack-unsettled", _ERROR, "how the stack's last deploy ended", stack.unsettled),
    Check("rule-off", _ERROR, "the stack's event rules: disabled or deleted", stack.rules),
    Check("poller-off", _ERROR, "the event source mappings of its functions", stack.pollers),
    Check("dead-letters", _ERROR, "its dead-letter queues", stack.dead_letters),
    Check("alarm-firing", _ERROR, "its alarms", stack.alarms),
    Check("unheard", _WARNING, "its topics: has anybody a confirmed subscription", stack.unheard),
    Check("unconfirmed", _WARNING, "subscriptions to its topics that wait to be confirmed", stack.unconfirmed),
    Check("runtime-ending", _WARNING, "the runtime of its functions, half a year before its end", stack.runtimes),
    Check("schedule-orphaned", _WARNING, "one-time schedules in its group, an hour after they were due", stack.orphans),
    Check("paused", _WARNING, "the global pause", stack.paused),
    Check("mode", _INFO, "capabilities that are `off` or `observe`", stack.modes),
    Check("configured-off", _WARNING, "what `longshore.yaml` asks of capabilities that do not act", stack.configured),
    Check("spoke-unseen", _INFO, "further accounts and Regions: told, not looked at", stack.spokes),
    Check("policy-invalid", _ERROR, "each workload's `longshore:policy`, by the grammar", tags.invalid_policy),
    Check("profile-unknown", _ERROR, "profiles that tags name and `longshore.yaml` lacks", tags.unknown_profile),
    Check("tag-misspelt", _WARNING, "tag keys that look like Longshore's", tags.misspelt),
    Check("tag-value", _WARNING, "values of `recover`, `retry` and `containers`", tags.wrong_value),
    Check("tag-in-vain", _WARNING, "Longshore's tags on what it does not deploy to", tags.in_vain),
    Check("channel-unknown", _WARNING, "channels that `longshore:channel` names", tags.unknown_channel),
    Check("pass-role-not-granted", _ERROR, "roles of workloads, against `PassableRoleArns`", grants.pass_role),
    Check("way-back-not-granted", _WARNING, "the same for services that are refreshed in place", grants.way_back),
    Check("repository-policy", _WARNING, "whether Lambda may pull what functions follow", grants.repository_policy),
    Check("cross-account", _INFO, "images in registries of other accounts or Regions", grants.cross_account),
    Check("cluster-private", _ERROR, "EKS clusters that the functions cannot reach", grants.private_cluster),
    Check("access-entry-missing", _ERROR, "access entries of EKS clusters for the stack's roles", grants.access_entry),
    Check(
        "secret-not-granted",
        _ERROR,
        "secrets and topics of `longshore.yaml`, against the parameters",
        secrets.unusable,
    ),
    Check("secret-missing", _ERROR, "secrets of `longshore.yaml` that do not exist", secrets.missing),
    Check("held", _WARNING, "what redeploy itself would hold now", standing.held),
    Check("follows-nothing", _WARNING, "workloads that opted in without an image in ECR", standing.follows_nothing),
    Check("hold-standing", _WARNING, "holds older than a week", standing.long_hold),
    Check("quarantine-standing", _INFO, "images refused for more than 30 days", standing.long_quarantine),
    Check("no-baseline", _INFO, "workloads without a last known good image", standing.no_baseline),
    Check("deployment-overdue", _ERROR, "Longshore's deployments past their deadline", standing.overdue),
    Check("deployment-stuck", _WARNING, "ECS deployments in progress for more than an hour", standing.stuck),
    Check("breaker-off", _WARNING, "circuit breakers of services that opted in", standing.breaker_off),
    Check("drift", _INFO, "what runs, against what infrastructure as code declares", standing.drifted),
    Check("unpinned", _INFO, "services on mutable tags that did not opt in", standing.unfollowed),
    Check("image-gone", _ERROR, "running images that the registry lost", images.image_gone),
    Check(
        "repository-unscanned", _WARNING, "repositories of running images without scanning", images.repository_unscanned
    ),
    Check("image-unscanned", _WARNING, "running images without a scan's result", images.image_unscanned),
    Check(
        "lifecycle-expires",
        _WARNING,
        "lifecycle policies, against what runs and the way back",
        images.lifecycle_expires,
    ),
    Check("app-mesh", _WARNING, "App Mesh proxies and Envoy in what runs", retired.app_mesh),
    Check("scanner-retired", _WARNING, "whether basic scanning is still set to Clair", retired.clair),
    Check("app-runner", _INFO, "App Runner services", retired.app_runner),
    Check("copilot", _INFO, "what Copilot keeps", retired.copilot),
    Check("proton", _INFO, "what Proton provisioned", retired.proton),
    Check("code-deploy", _INFO, "services that CodeDeploy rolls out", retired.code_deploy),
)
