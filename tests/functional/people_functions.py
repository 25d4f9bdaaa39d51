"""Functions of container images on a stage: who makes and updates them, and what they run."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.stage import Stage, uri

TRUST = {"Version": "2012-10-17", "Statement": []}
ROLE = "functions"


class Functions:
    """What people do with functions beside Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.client = stage.client("lambda")
        self._role = _role(stage.client("iam"))

    def create(
        self, name: str = "resize", image: str = "web:prod", policy: str | None = "profile:steady", **members: Any
    ) -> str:
        """A function, tagged with a policy unless it is None; what led there is forgotten. Answers its ARN."""
        tags = {"longshore:policy": policy} if policy is not None else {}
        request = {"Code": {"ImageUri": uri(image)}, "PackageType": "Image", "Role": self._role, "Tags": tags}
        made = self.client.create_function(FunctionName=name, **{**request, **members})
        self._stage.run(minutes=3)
        self._stage.forget()
        return str(made["FunctionArn"])

    def alias(self, name: str = "resize", alias: str = "live") -> None:
        """Callers are to use an alias, which names a version of what is there now."""
        version = self.client.publish_version(FunctionName=name)["Version"]
        self.client.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)
        arn = self.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        self.client.tag_resource(Resource=arn, Tags={"longshore:alias": alias})
        self._stage.run(minutes=3)
        self._stage.forget()

    def update(self, image: str, name: str = "resize", **members: Any) -> None:
        """A person updates the code."""
        self.client.update_function_code(FunctionName=name, ImageUri=uri(image), **members)

    def running(self, name: str = "resize", alias: str = "") -> str:
        """The digest that callers get, of the alias where one is named."""
        qualifier = {"Qualifier": alias} if alias else {}
        found = self.client.get_function(FunctionName=name, **qualifier)
        return str(found["Code"]["ResolvedImageUri"]).partition("@")[2]

    def declared(self, name: str = "resize") -> str:
        """The image that the unpublished version names."""
        return str(self.client.get_function(FunctionName=name)["Code"]["ImageUri"])

    def serves(self, name: str = "resize", alias: str = "live") -> str:
        """The version that an alias names."""
        return str(self.client.get_alias(FunctionName=name, Name=alias)["FunctionVersion"])

    def writes(self) -> list[str]:
        """What functions of the stack did to functions, dry runs left out."""
        calls = [call for call in self._stage.bundle.recorder.calls if call.service == "lambda"]
        changes = [call for call in calls if not call.operation.startswith(("Get", "List"))]
        return [call.operation for call in changes if not call.params.get("DryRun")]


def _role(iam: Any) -> str:
    """A role that functions run in; it outlives a test."""
    try:
        return str(iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"])
    except iam.exceptions.EntityAlreadyExistsException:
        return str(iam.get_role(RoleName=ROLE)["Role"]["Arn"])
