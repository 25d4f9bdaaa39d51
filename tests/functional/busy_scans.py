"""What happens in the busy account to images: all that has scan call AWS, and redeploy ask it."""

from __future__ import annotations

from longshore_local.bundle import ACCOUNT, REGION
from longshore_local.images import multi_platform, push
from tests.functional.busy_account import BusyAccount, breaker
from tests.functional.scan_stage import CRITICAL, vex


def _gated(account: BusyAccount) -> None:
    """A gate closes on a finding, is opened by a mended image, and waits for hours for a scan that comes late."""
    scanner = account.bundle.scanner
    scanner.use("enhanced")
    account.image("till", "prod", "till 1")
    account.service("till", "prod", "profile:gated", **breaker(rollback=True))
    good = account.running("till")
    scanner.found("till", account.image("till", "prod", "till 2"), [CRITICAL])
    account.run(30)
    assert account.running("till") == good
    late = account.image("till", "prod", "till 3")
    scanner.found("till", late, state="PENDING")
    account.run(60)
    scanner.found("till", late)
    account.run(30)
    assert account.running("till") == late


def _attested(account: BusyAccount) -> None:
    """An index with an OpenVEX document at one of its images."""
    index = multi_platform("till 4")
    account.bundle.scanner.found("till", index.digest, [CRITICAL])
    account.bundle.ecr.serve(ACCOUNT, REGION)  # where the document is read
    push(account.ecr, "till", "next", index)
    push(account.ecr, "till", None, vex(index.children[0], "till", CRITICAL.id))
    account.run(30)


def _uncovered(account: BusyAccount) -> None:
    """Inspector says why an image is not scanned."""
    account.bundle.scanner.found("till", account.image("till", "old", "till 5"), state="FINDINGS_UNAVAILABLE")
    account.run(30)


def _undeployed(account: BusyAccount) -> None:
    """A service that CodeDeploy has not deployed to yet: its group is searched for, with others there."""
    code_deploy = account.bundle.client("codedeploy")
    if "berths" not in code_deploy.list_applications()["applications"]:
        code_deploy.create_application(applicationName="berths", computePlatform="ECS")
    account.image("berth", "prod", "berth 1")
    account.service("berth", "prod", "pin", deploymentController={"type": "CODE_DEPLOY"})
    found = account.image("berth", "prod", "berth 2")
    account.bundle.scanner.found("berth", found, [CRITICAL])
    account.run(60)


STEPS = (_gated, _attested, _uncovered, _undeployed)
