"""What a push costs where something else than ECS's own services follows it, until every deployment has begun."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from longshore import wiring
from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle
from longshore_local.kubernetes.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DEPLOYMENT
from tests.benchmarks.pushes import CLUSTER, REGISTRY, Push, others

RBAC = Path(__file__).parents[2] / "docs/eks-rbac.yaml"
IMAGE = f"{REGISTRY}/shop:prod"
TRUST = {"Version": "2012-10-17", "Statement": []}

_ALONE = {"NotifyMode": "off", "RecoverMode": "off", "ScanMode": "off", "MirrorMode": "off"}
"""The bundle has one process for all functions, which forgets what it knows when another one runs."""

Requests = Callable[[], list[tuple[str, str]]]
"""What was asked of servers that are not AWS's, since the push."""


def measure(platform: str, workloads: int, matches: int, *, new: bool = False) -> Push:
    """Pushes to a repository that `matches` of so many workloads follow; answers redeploy's calls until all have begun.

    Functions are called by an alias, and services of CodeDeploy declare a tag and were deployed before: the dearest
    ways. What the watch looks at comes later, and is left out. `new` is for a process that knows nothing yet; else it
    is that which the last sweep ran in.
    """
    with Bundle.start(parameters=_ALONE) as bundle:
        ecr = bundle.client("ecr")
        ecr.create_repository(repositoryName="shop")
        images.push(ecr, "shop", "prod", images.single("one"))
        requests = _FOLLOWERS[platform](bundle, matches)
        bundle.run(limit=timedelta(minutes=75))  # a sweep finds what is tagged or annotated
        others(bundle, bundle.client("dynamodb"), workloads - matches)
        bundle.recorder.clear()
        requests().clear()
        if new:
            wiring.reset()
        images.push(ecr, "shop", "prod", images.single("two"))
        if not bundle.run(lambda: _begun(bundle) == matches, limit=timedelta(minutes=20)):
            raise RuntimeError(f"not every deployment began: {[i.log for i in bundle.invocations[-5:]]}")
        calls = [call for call in bundle.recorder.calls if call.function == "RedeployFunction"]
        counted = Counter((call.service, call.operation) for call in calls)
        counted.update(("kubernetes", method) for method, _ in requests())
    return Push(workloads, matches, "RedeployFunction", counted)


def _functions(bundle: Bundle, matches: int) -> Requests:
    client = bundle.client("lambda")
    role = bundle.client("iam").create_role(RoleName="shop", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    for number in range(matches):
        name = f"shop-{number}"
        request: dict[str, Any] = {"PackageType": "Image", "Code": {"ImageUri": IMAGE}, "Role": role}
        tags = {"longshore:policy": "digest", "longshore:alias": "live"}
        client.create_function(FunctionName=name, Tags=tags, Publish=True, **request)
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return list


def _pods(bundle: Bundle, matches: int) -> Requests:
    role = f"arn:aws:iam::{ACCOUNT}:role/cluster"
    tags, vpc = {"longshore:policy": "annotations"}, {"subnetIds": ["subnet-1"]}
    made = bundle.client("eks").create_cluster(name="kube", roleArn=role, resourcesVpcConfig=vpc, tags=tags)
    cluster = bundle.eks.clusters[str(made["cluster"]["arn"])]
    cluster.add_node("one")
    cluster.admit("local", "local", f"arn:aws:iam::{ACCOUNT}:role/functions", "longshore")
    kinds = {"ClusterRole": CLUSTER_ROLE, "ClusterRoleBinding": CLUSTER_ROLE_BINDING}
    for document in yaml.safe_load_all(RBAC.read_text(encoding="utf-8")):
        cluster.create(kinds[document["kind"]], "", document)
    for number in range(matches):
        name = f"shop-{number}"
        labels = {"app": name}
        container = {"name": "app", "image": IMAGE, "imagePullPolicy": "Always"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        meta = {"name": name, "annotations": {"longshore.dev/policy": "digest"}}
        cluster.create(DEPLOYMENT, "default", {"metadata": meta, "spec": spec})
    return lambda: cluster.server.requests


def _shifted(bundle: Bundle, matches: int) -> Requests:
    ecs, deploy = bundle.client("ecs"), bundle.client("codedeploy")
    ecs.create_cluster(clusterName=CLUSTER)
    deploy.create_application(applicationName="shop", computePlatform="ECS")
    group = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/blue/0123456789abcdef"
    network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    for number in range(matches):
        name = f"shop-{number}"
        registered = ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": "app", "image": IMAGE, "memory": 128}],
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            networkMode="awsvpc",
        )
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=name,
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration=network,
            deploymentController={"type": "CODE_DEPLOY"},
            loadBalancers=[{"targetGroupArn": group, "containerName": "app", "containerPort": 80}],
            tags=[{"key": "longshore:policy", "value": "digest"}],
        )
        deploy.create_deployment_group(
            applicationName="shop",
            deploymentGroupName=name,
            deploymentConfigName="CodeDeployDefault.ECSAllAtOnce",
            serviceRoleArn=f"arn:aws:iam::{ACCOUNT}:role/codedeploy",
            ecsServices=[{"clusterName": CLUSTER, "serviceName": name}],
        )
        properties = {
            "TaskDefinition": registered["taskDefinition"]["taskDefinitionArn"],
            "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 80},
        }
        resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
        content = json.dumps({"version": 0.0, "Resources": [resource]})
        revision: Any = {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
        bundle.run(limit=timedelta(minutes=2))
        deploy.create_deployment(applicationName="shop", deploymentGroupName=name, revision=revision)
    return list


def _daemons(bundle: Bundle, matches: int) -> Requests:
    ecs = bundle.client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
    bundle.ecs.hosts.add(ACCOUNT, REGION, CLUSTER, capacity_provider_name="machines")
    for number in range(matches):
        container = {"name": "app", "image": IMAGE, "memory": 128}
        registered = ecs.register_daemon_task_definition(
            family=f"shop-{number}", containerDefinitions=[container], cpu="256", memory="512"
        )
        ecs.create_daemon(
            daemonName=f"shop-{number}",
            clusterArn=CLUSTER,
            daemonTaskDefinitionArn=registered["daemonTaskDefinitionArn"],
            capacityProviderArns=[f"arn:aws:ecs:{REGION}:{ACCOUNT}:capacity-provider/machines"],
            tags=[{"key": "longshore:policy", "value": "digest"}],
        )
    return list


_FOLLOWERS: dict[str, Callable[[Bundle, int], Requests]] = {
    "lambda-function": _functions,
    "eks-workload": _pods,
    "service of CodeDeploy": _shifted,
    "ecs-daemon": _daemons,
}
PLATFORMS = tuple(_FOLLOWERS)
REMEMBERING = ("service of CodeDeploy", "ecs-daemon")
"""Where the budget is that of a process which has met the workloads before, as every sweep does."""


def _begun(bundle: Bundle) -> int:
    return sum(event["detail-type"] == "Deployment Started" for event in bundle.events)
