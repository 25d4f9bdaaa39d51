"""Checks of permissions: roles that may not be passed, registries and clusters that may not be used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from longshore.aws.clock import SystemClock
from longshore.aws.eks_access import Clusters
from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore.redeploy.plan import is_passable
from longshore.redeploy.policy import DigestPolicy, PinPolicy, Write
from longshore.workloads import PlatformKind
from longshore_cli.checks.findings import Found, Unseen
from longshore_cli.checks.sight import is_cluster

if TYPE_CHECKING:
    from longshore.redeploy.policy import Policy
    from longshore.workloads import Observation
    from longshore_cli.checks.sight import Sight

_PULLS: Final = {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
_LAMBDA: Final = "lambda.amazonaws.com"
_GROUP: Final = "longshore"
_ROLES: Final = ("RedeployRoleArn", "WatchRoleArn", "ScanRoleArn")


def pass_role(sight: Sight) -> Iterator[Found | Unseen]:
    """Roles that a new revision may not carry."""
    yield from sight.unseen
    for each in sight.observations:
        policy, missing = sight.policy(each.workload), _unpassable(sight, each)
        if policy and missing and _revises(policy, each):
            text = f"its new revisions carry {_named(missing)}, which may not be passed: pass-role-not-granted"
            yield Found(each.workload.arn, text, _passing(sight, missing))


def way_back(sight: Sight) -> Iterator[Found | Unseen]:
    """Roles without which a service that is only refreshed cannot go back."""
    yield from sight.unseen
    for each in sight.observations:
        policy, missing = sight.policy(each.workload), _unpassable(sight, each)
        if policy and missing and not _revises(policy, each) and not isinstance(policy, PinPolicy):
            text = (
                f"is refreshed in place; its way back is a new revision with {_named(missing)}, which may not be passed"
            )
            yield Found(each.workload.arn, text, _passing(sight, missing))


def _unpassable(sight: Sight, observation: Observation) -> list[str]:
    return [role for role in dict.fromkeys(observation.roles) if not is_passable(role, sight.stack.passable)]


def _revises(policy: Policy, observation: Observation) -> bool:
    """Whether what it deploys is another reference than the one that is declared (design 6.1)."""
    if isinstance(policy, PinPolicy):
        return False
    if not isinstance(policy, DigestPolicy) or policy.options.write is Write.DIGEST:
        return True
    declared = {reference.effective_tag for reference in observation.workload.followed.values()}
    return policy.tag is not None and declared != {policy.tag}


def _named(roles: list[str]) -> str:
    return ", ".join(role.rpartition("/")[2] for role in roles)


def _passing(sight: Sight, missing: list[str]) -> str:
    roles = ",".join([*sight.stack.passable, *missing])
    return f"sam deploy --parameter-overrides PassableRoleArns={quote(roles)}"


def repository_policy(sight: Sight) -> Iterator[Found | Unseen]:
    """Repositories that Lambda may not read for a function."""
    yield from sight.unseen
    for each in sight.observations:
        if each.workload.platform is not PlatformKind.LAMBDA_FUNCTION:
            continue
        for repository in sorted(each.workload.repositories, key=str):
            if sight.at_home(repository) and not _lets_lambda(_policy_of(sight, repository.name)):
                fix = (
                    f"aws ecr set-repository-policy --repository-name {quote(repository.name)} --policy-text "
                    + quote(json.dumps(_let_lambda(sight), separators=(",", ":")))
                )
                text = (
                    f"its policy does not let Lambda pull: {each.workload.arn} cannot take a new image once it was idle"
                )
                yield Found(str(repository), text, fix)


def cross_account(sight: Sight) -> Iterator[Found | Unseen]:
    """Images in the registry of another account or Region."""
    yield from sight.unseen
    for each in sight.observations:
        for repository in sorted(each.workload.repositories, key=str):
            if not repository.is_public and not sight.at_home(repository):
                text = (
                    f"runs an image of {repository}: its pushes are heard only if they are forwarded or replicated here"
                )
                fix = (
                    f"see that {repository.account} lets {sight.account.id} do ecr:BatchGetImage, ecr:DescribeImages "
                    "and ecr:GetDownloadUrlForLayer in the repository policy, or replicate it here"
                )
                yield Found(each.workload.arn, text, fix)


def _policy_of(sight: Sight, name: str) -> Mapping[str, Any]:
    try:
        with aws_errors(gone=("RepositoryPolicyNotFoundException",)):
            document = json.loads(sight.client("ecr").get_repository_policy(repositoryName=name)["policyText"])
    except GoneError:
        return {}
    return document if isinstance(document, dict) else {}


def _lets_lambda(policy: Mapping[str, Any]) -> bool:
    """Whether its statements together allow what Lambda pulls with; their conditions are not looked at."""
    allowed: set[str] = set()
    for statement in _listed(policy.get("Statement", [])):
        principal = statement.get("Principal", {})
        named = ["*"] if principal == "*" else _listed(principal.get("Service", []))
        if statement.get("Effect") == "Allow" and {_LAMBDA, "*"} & set(named):
            patterns = [str(each).lower() for each in _listed(statement.get("Action", []))]
            allowed |= {pull for pull in _PULLS if any(fnmatchcase(pull.lower(), each) for each in patterns)}
    return allowed == _PULLS


def _let_lambda(sight: Sight) -> dict[str, Any]:
    of_here = f"arn:{sight.account.partition}:lambda:{sight.account.region}:{sight.account.id}:function:*"
    statement = {
        "Sid": "LambdaPulls",
        "Effect": "Allow",
        "Principal": {"Service": _LAMBDA},
        "Action": sorted(_PULLS),
        "Condition": {"ArnLike": {"aws:SourceArn": of_here}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def private_cluster(sight: Sight) -> Iterator[Found | Unseen]:
    """Clusters whose endpoint the functions cannot reach."""
    if sight.parameter("SubnetIds"):
        return
    clusters = Clusters(lambda: sight.client("eks"), SystemClock())
    for arn in _clusters(sight):
        if clusters.get(arn.rpartition("/")[2]).is_private:
            fix = "sam deploy --parameter-overrides SubnetIds=... SecurityGroupIds=..., of the cluster's VPC"
            yield Found(arn, "answers inside its VPC alone, and the functions are in none: it is not looked at", fix)


def access_entry(sight: Sight) -> Iterator[Found | Unseen]:
    """Clusters that do not know the stack's roles."""
    roles = {name: role for name in _ROLES if (role := sight.output(name))}
    for arn in _clusters(sight):
        name = arn.rpartition("/")[2]
        try:
            with aws_errors():
                pages = sight.client("eks").get_paginator("list_access_entries").paginate(clusterName=name)
                known = {entry for page in pages for entry in page["accessEntries"]}
        except Exception as error:
            if not _has_none(error):
                raise
            yield Unseen(f"{arn} takes no access entries (authentication mode CONFIG_MAP): look into its aws-auth")
            continue
        for output, role in roles.items():
            if role not in known:
                fix = (
                    f"aws eks create-access-entry --cluster-name {quote(name)} --principal-arn {quote(role)} "
                    f"--kubernetes-groups {_GROUP}, and kubectl apply -f docs/eks-rbac.yaml"
                )
                yield Found(arn, f"has no access entry for {output}: what runs in it is not seen", fix)


def _has_none(error: Exception) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "InvalidRequestException"


def _clusters(sight: Sight) -> list[str]:
    return sorted(arn for arn in sight.tagged if is_cluster(arn))
