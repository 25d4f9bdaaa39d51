"""Mirror's failures on the bundle: a tag's are its own, a downstream's too, and what is dead-lettered can be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore_local import images
from longshore_local.image_shapes import place
from longshore_local.loopback import Reply
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Damage, Instead
from tests.functional.test_mirror_bundle import ECR, ELSEWHERE, UPSTREAM, Stage, deployed

TO_BOTH = f"""
mirrors:
  web: {{from: {UPSTREAM}/team/web, to: [ecr:mirror/web, {ELSEWHERE}/web], every: 1h}}
"""
DENIED = Reply(403, b'{"errors": [{"code": "DENIED", "message": "not for you"}]}')


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A mirror with two downstreams, of which one tells nothing in bulk."""
    with deployed(tmp_path, TO_BOTH) as made:
        yield made


def depth(stage: Stage, queue: str) -> int:
    """Messages that wait in a queue."""
    url = stage.bundle.stack.physical_ids[queue]
    answer = stage.bundle.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def redrive(stage: Stage) -> None:
    """As SQS's own redrive does (docs/operations.md), which the bundle does not have."""
    sqs, urls = stage.bundle.client("sqs"), stage.bundle.stack.physical_ids
    while found := sqs.receive_message(QueueUrl=urls["MirrorDeadLetters"], MaxNumberOfMessages=10).get("Messages"):
        for each in found:
            sqs.send_message(QueueUrl=urls["MirrorQueue"], MessageBody=each["Body"])
            sqs.delete_message(QueueUrl=urls["MirrorDeadLetters"], ReceiptHandle=each["ReceiptHandle"])


def test_a_bad_tag_is_told_and_holds_up_no_other(stage: Stage) -> None:
    good = {tag: stage.place(tag, tag) for tag in ("1.0.0", "2.0.0")}
    bad = images.single("bad")
    place(stage.store, "team/web", "1.1.0", bad)
    layer = next(iter(bad.blobs))
    stage.upstream.script = Script(Rule("GET blob", Damage(), times=None, path=layer))
    stage.run()
    assert stage.mirrored() == good
    failed = [(each["downstream"], each["tag"], each["side"], each["blob"]) for each in stage.told("Mirror Failed")]
    assert failed == [(f"{where}/web", "1.1.0", "source", layer) for where in (f"{ECR}/mirror", ELSEWHERE)]
    stage.upstream.script = Script()
    stage.run()
    assert stage.mirrored() == {**good, "1.1.0": bad.digest}
    assert stage.messages() == 0


def test_a_downstream_that_denies_its_listing_holds_up_no_other(stage: Stage) -> None:
    digest = stage.place("1.0.0", "one")
    stage.elsewhere_registry.script = Script(Rule("* *", Instead(DENIED), times=None))
    stage.run(130)
    assert stage.mirrored() == {"1.0.0": digest}
    (failed,) = stage.told("Mirror Failed")
    assert (failed["downstream"], failed["tag"]) == (f"{ELSEWHERE}/web", None)
    stage.elsewhere_registry.script = Script()
    stage.run()
    assert stage.elsewhere.manifest("web", "1.0.0").digest == digest
    assert (stage.errors(), stage.messages()) == ([], 0)


def test_what_failed_five_times_is_a_dead_letter_and_can_be_replayed(stage: Stage) -> None:
    digest = stage.place("1.0.0", "one")
    stage.bundle.recorder.faults.add("ecr", "DescribeImages", "ServerException", count=None)
    stage.run(150)
    assert depth(stage, "MirrorDeadLetters") >= 1
    (mirrored,) = stage.told("Image Mirrored")
    assert mirrored["downstream"] == f"{ELSEWHERE}/web", "that of the other one is not held up"
    assert stage.bundle.client("ecr").describe_repositories()["repositories"] == []
    stage.bundle.recorder.faults.clear()
    redrive(stage)
    stage.run(1)
    assert stage.mirrored() == {"1.0.0": digest}
    assert (len(stage.told("Image Mirrored")), depth(stage, "MirrorDeadLetters")) == (2, 0)
