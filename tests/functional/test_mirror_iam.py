"""MirrorRole, proved both ways: what the function calls is granted, what is granted is called or done by HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle, Sources
from longshore_local.ecr_public_registry import HOST as GALLERY
from longshore_local.ecr_public_registry import REGION as GALLERY_REGION
from longshore_local.ecr_public_registry import alias_of
from longshore_local.image_shapes import place
from longshore_local.images import single
from longshore_local.registry import DOCKER_HUB_MANNERS, SPEC_MANNERS, Auth, Registry
from longshore_local.registry_memory import MemoryStore
from tests.functional.test_iam_proof import BY_THE_SERVICE
from tests.functional.test_mirror_bundle import ECR, ELSEWHERE, UPSTREAM, Stage, free_port
from tests.template.iam import Request, Role, Statement, denied, roles, unused
from tests.template.rendered import Rendered
from tests.template.requests import Place, requests

PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mirror/elsewhere"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:mirror-hub"
HUB = "hub.example.com"
USERS = {"me": "hunter2"}
PARAMETERS = {
    "NotifyMode": "off",
    "RedeployMode": "off",
    "MirrorRepositories": "mirror/*",
    "MirrorSecretArns": f"{PARAMETER},{SECRET}-??????",
}
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9},
            "action": {"type": "expire"},
        }
    ]
}
CONFIG = f"""
mirrors:
  web:
    from: {UPSTREAM}/team/web
    to: ecr:mirror/web
    every: 1h
    repository: {{tags: {{team: shop}}, lifecycle: {json.dumps(LIFECYCLE)}}}
    prune: {{after: 1h, most: 100}}
  published: {{from: "ecr:team/app", to: [{{repository: {ELSEWHERE}/app, secret: "{PARAMETER}"}}]}}
  scarce: {{from: {HUB}/team/scarce, secret: "{SECRET}", to: ecr:mirror/scarce}}
  gallery:
    from: {UPSTREAM}/team/web
    to: {GALLERY}/{alias_of(ACCOUNT)}/web
    every: 1h
    catalog: {{description: A web server}}
    repository: {{tags: {{team: shop}}}}
    prune: {{after: 1h, most: 100}}
"""
BY_HTTP = {
    "ecr:BatchGetImage": "GET of a manifest",
    "ecr:GetDownloadUrlForLayer": "GET of a blob",
    "ecr:ListImages": "GET of tags",
    "ecr:InitiateLayerUpload": "POST of an upload",
    "ecr:UploadLayerPart": "PATCH of an upload",
    "ecr:CompleteLayerUpload": "PUT of an upload",
    "ecr:PutImage": "PUT of a manifest",
    "ecr-public:InitiateLayerUpload": "POST of an upload",
    "ecr-public:UploadLayerPart": "PATCH of an upload",
    "ecr-public:CompleteLayerUpload": "PUT of an upload",
    "ecr-public:PutImage": "PUT of a manifest",
}
"""What the registry asks of IAM behind its distribution API, with the request that leads to it (ECR user guide)."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything that mirror does has happened."""
    config = tmp_path_factory.mktemp("config") / "longshore.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    stores, port, gallery = [MemoryStore() for _ in range(3)], free_port(), free_port()
    scarce = replace(DOCKER_HUB_MANNERS, redirect_blobs=False, manifest_gets=3)
    with (
        Registry(stores[0], manners=SPEC_MANNERS) as upstream,
        Registry(stores[1], manners=SPEC_MANNERS, auth=Auth("basic", USERS)) as elsewhere,
        Registry(stores[2], manners=scarce, auth=Auth("bearer", USERS)) as hub,
    ):
        urls = {UPSTREAM: upstream.url, ELSEWHERE: elsewhere.url, HUB: hub.url, ECR: f"http://127.0.0.1:{port}"}
        urls[GALLERY] = f"http://127.0.0.1:{gallery}"
        hosts = ",".join(f"{host}={url.removeprefix('http://')}" for host, url in urls.items())
        environment = {"LONGSHORE_REGISTRIES": hosts, "LONGSHORE_LOOPBACK": "true"}
        sources = Sources(config=Path(config), environment=environment)
        with Bundle.start(sources=sources, parameters=PARAMETERS) as bundle:
            bundle.ecr.serve(ACCOUNT, REGION, port=port, auth=Auth("basic"))
            bundle.ecr_public.serve(port=gallery)
            stage = Stage(bundle, upstream, stores[0], stores[1], elsewhere)
            _happen(stage, stores[2])
            yield stage
    for store in stores:
        store.close()


def _happen(stage: Stage, scarce: MemoryStore) -> None:
    login = json.dumps({"username": "me", "password": "hunter2"})
    name = PARAMETER.partition(":parameter")[2]
    stage.bundle.client("ssm").put_parameter(Name=name, Value=login, Type="SecureString")
    stage.bundle.client("secretsmanager").create_secret(Name="mirror-hub", SecretString=login)
    stage.place("1.0.0", "one")
    stage.place("2.0.0", "two")
    place(scarce, "team/scarce", "1", single("scarce"))
    ecr = stage.bundle.client("ecr")
    ecr.create_repository(repositoryName="team/app")
    images.push(ecr, "team/app", "7", single("app"))
    stage.run()
    stage.store.delete_manifest("team/web", "2.0.0")
    described = stage.bundle.session().client("ecr-public", region_name=GALLERY_REGION)
    described.put_repository_catalog_data(repositoryName="web", catalogData={"description": "somebody's own words"})
    stage.run(200)


@pytest.fixture(scope="module")
def rendered(stage: Stage) -> Rendered:
    """The template as it was deployed."""
    stack = stage.bundle.stack
    names = {name: id.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for name, id in stack.physical_ids.items()}
    return Rendered({**PARAMETERS, "AllowReplay": "true"}, names, stack.name)


@pytest.fixture(scope="module")
def asked(stage: Stage) -> list[Request]:
    """What IAM was asked for."""
    calls = [call for call in stage.bundle.recorder.calls if call.function == "MirrorFunction"]
    return [request for call in calls for request in requests(call, Place(ACCOUNT, REGION, {}))]


def ours(rendered: Rendered) -> Role:
    """The role without what AWS itself calls, and what is behind HTTP."""
    exempt = {**BY_THE_SERVICE, **BY_HTTP}
    statements = []
    for statement in roles(rendered)["MirrorRole"].statements:
        actions = tuple(action for action in statement.actions if action not in exempt)
        if actions:
            statements.append(
                Statement(statement.sid, statement.allow, actions, statement.resources, statement.conditions)
            )
    return Role("MirrorRole", tuple(statements))


def test_it_all_happened(stage: Stage) -> None:
    assert stage.mirrored() == {"1.0.0": stage.mirrored()["1.0.0"]}
    assert stage.elsewhere.tags("app") == ["7"]
    assert stage.errors() == []
    assert "hunter2" not in json.dumps([each.log for each in stage.bundle.invocations])


def test_every_call_is_granted(rendered: Rendered, asked: list[Request]) -> None:
    assert denied(roles(rendered)["MirrorRole"], asked) == []


def test_every_grant_is_called(rendered: Rendered, asked: list[Request]) -> None:
    assert unused(ours(rendered), asked) == []


def test_other_repositories_are_not_written(rendered: Rendered) -> None:
    role = roles(rendered)["MirrorRole"]
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app"
    for action in ("PutImage", "BatchDeleteImage", "CreateRepository"):
        assert denied(role, [Request(f"ecr:{action}", arn)])
        assert not denied(role, [Request(f"ecr:{action}", arn.replace("team/", "mirror/"))])
