"""App Runner services on a stage: who makes and updates them, and what they run."""

from __future__ import annotations

from typing import Any

from tests.functional.stage import ACCOUNT, Stage, uri

ACCESS = f"arn:aws:iam::{ACCOUNT}:role/workloads/app-runner"
NOT_PASSABLE = f"arn:aws:iam::{ACCOUNT}:role/app-runner"


class Services:
    """What people do with App Runner services beside Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.client = stage.client("apprunner")
        self._arns: dict[str, str] = {}

    def create(
        self,
        name: str = "shop",
        image: str = "web:prod",
        policy: str | None = "profile:steady",
        *,
        automatic: bool = False,
        role: str = ACCESS,
    ) -> str:
        """A service, tagged with a policy unless it is None; what led there is forgotten. Answers its ARN."""
        public = image.startswith("public.ecr.aws/")
        repository = {
            "ImageIdentifier": image if public else uri(image),
            "ImageRepositoryType": "ECR_PUBLIC" if public else "ECR",
            "ImageConfiguration": {"Port": "8080", "RuntimeEnvironmentVariables": {"LEVEL": "info"}},
        }
        source: dict[str, Any] = {"ImageRepository": repository, "AutoDeploymentsEnabled": automatic}
        if not public:
            source["AuthenticationConfiguration"] = {"AccessRoleArn": role}
        tags = [{"Key": "longshore:policy", "Value": policy}] if policy is not None else []
        self._stage.run(minutes=1)
        made = self.client.create_service(ServiceName=name, SourceConfiguration=source, Tags=tags)
        self._arns[name] = str(made["Service"]["ServiceArn"])
        self._stage.run(minutes=10)
        self._stage.forget()
        return self._arns[name]

    def arn(self, name: str = "shop") -> str:
        """The ARN of a service."""
        return self._arns[name]

    def described(self, name: str = "shop") -> dict[str, Any]:
        """The service as DescribeService answers it."""
        found: dict[str, Any] = self.client.describe_service(ServiceArn=self._arns[name])["Service"]
        return found

    def declared(self, name: str = "shop") -> str:
        """The image that it names."""
        return str(self.described(name)["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"])

    def update(self, image: str, name: str = "shop") -> None:
        """A person has it run another image."""
        source = self.described(name)["SourceConfiguration"]
        repository = {**source["ImageRepository"], "ImageIdentifier": uri(image)}
        self.client.update_service(
            ServiceArn=self._arns[name], SourceConfiguration={**source, "ImageRepository": repository}
        )

    def deploy(self, name: str = "shop") -> None:
        """A person has what it names pulled again."""
        self.client.start_deployment(ServiceArn=self._arns[name])

    def running(self, name: str = "shop") -> str:
        """The digest that runs, which the API does not tell."""
        return str(self._stage.bundle.app_runner.of(self._arns[name]).running)

    def operations(self, name: str = "shop") -> list[str]:
        """The operations on it, the oldest first."""
        listed = self.client.list_operations(ServiceArn=self._arns[name])["OperationSummaryList"]
        return [f"{each['Type']} {each['Status']}" for each in reversed(listed)]

    def writes(self) -> list[str]:
        """What functions of the stack did to services."""
        calls = [call for call in self._stage.bundle.recorder.calls if call.service == "apprunner" and not call.error]
        return [call.operation for call in calls if call.operation in ("StartDeployment", "UpdateService")]
