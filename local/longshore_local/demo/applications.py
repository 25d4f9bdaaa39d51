"""App Runner services in a scenario: what a team has there, and what runs."""

from typing import Any

from longshore_local.bundle import ACCOUNT
from longshore_local.demo.sentences import short
from longshore_local.demo.stage import Stage
from longshore_local.images import SyntheticImage


class Applications:
    """App Runner on a scenario's stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._client = stage.client("apprunner")
        self._arns: dict[str, str] = {}

    def create(self, name: str, image: str, policy: str, *, automatic: bool = False) -> None:
        """Creates a tagged service, with App Runner's automatic deployments or without, and tells it."""
        source: dict[str, Any] = {
            "ImageRepository": {"ImageIdentifier": image, "ImageRepositoryType": "ECR"},
            "AuthenticationConfiguration": {"AccessRoleArn": f"arn:aws:iam::{ACCOUNT}:role/app-runner"},
            "AutoDeploymentsEnabled": automatic,
        }
        tags = [{"Key": "longshore:policy", "Value": policy}]
        self._stage.wait(minutes=1)
        made = self._client.create_service(ServiceName=name, SourceConfiguration=source, Tags=tags)
        self._arns[name] = str(made["Service"]["ServiceArn"])
        self._stage.wait(minutes=10)
        self._stage.narrator.speak()
        itself = ", which deploys itself" if automatic else ""
        told = f"have the App Runner service {name}{itself}, tagged longshore:policy = {policy}: {self.describe(name)}"
        self._stage.narrator.say("You", told)

    def fail(self, image: SyntheticImage) -> None:
        """Makes an image a bad one: its health checks fail, and App Runner rolls it back."""
        self._stage.bundle.app_runner.fail(image.digest)

    def running(self, name: str) -> str:
        """The digest that runs; only here anybody can tell."""
        return str(self._stage.bundle.app_runner.of(self._arns[name]).running)

    def describe(self, name: str) -> str:
        """What runs, in words."""
        return f"it runs {short(self.running(name))}"

    def conclude(self, name: str) -> None:
        """Tells where the service ended."""
        self._stage.narrator.say("Now", f"{name}: {self.describe(name)}")
