"""The repository's own template and functions on the bundle."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from longshore_local.bundle import Bundle


@pytest.fixture(scope="module")
def longshore() -> Iterator[Bundle]:
    with Bundle.start() as bundle:
        yield bundle


def test_the_stack_sweeps_when_it_is_created_and_every_hour(longshore: Bundle) -> None:
    assert longshore.run()
    assert sorted((i.function, i.error) for i in longshore.invocations) == [
        ("RedeployFunction", None),
        ("ScanFunction", None),
    ]
    longshore.run(limit=timedelta(hours=1, minutes=1))
    assert {i.error for i in longshore.invocations} == {None}
    swept = [i.function for i in longshore.invocations]
    assert swept.count("RedeployFunction") == 2
    assert swept.count("MirrorFunction") == 1
    assert swept.count("RecoverFunction") in (12, 13), "every five minutes, and each within a minute of its time"


def test_a_push_reaches_redeploy(longshore: Bundle) -> None:
    longshore.clear()
    ecr = longshore.client("ecr")
    ecr.create_repository(repositoryName="team/web")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    ecr.put_image(repositoryName="team/web", imageTag="v1", imageManifest=json.dumps(manifest))
    assert longshore.run()
    bodies = [json.loads(record["body"]) for i in longshore.invocations for record in i.event["Records"]]
    assert [body["detail"]["image-tag"] for body in bodies][:1] == ["v1"]
    assert [i.error for i in longshore.invocations] == [None] * len(longshore.invocations)
