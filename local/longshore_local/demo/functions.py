"""Functions of container images in a scenario: what a team has in Lambda, and what its callers get."""

import json

from longshore_local.demo.sentences import short
from longshore_local.demo.stage import Stage
from longshore_local.images import SyntheticImage

_TRUST = {"Version": "2012-10-17", "Statement": []}


class Functions:
    """Lambda on a scenario's stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lambda = stage.client("lambda")

    def create(self, name: str, image: str, policy: str, *, alias: str = "", architecture: str = "arm64") -> None:
        """Creates a tagged function, with an alias where callers are to use one, and tells it."""
        tags = {"longshore:policy": policy, **({"longshore:alias": alias} if alias else {})}
        made = self._lambda.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": image},
            Role=self._role(),
            Architectures=[architecture],
            Tags=tags,
            Publish=bool(alias),
        )
        if alias:
            self._lambda.create_alias(FunctionName=name, Name=alias, FunctionVersion=made["Version"])
        self._stage.wait(minutes=2)
        self._stage.narrator.speak()
        written = " ".join(f"{key} = {value}" for key, value in tags.items())
        told = f"have the function {name} for {architecture}, tagged {written}: {self.describe(name, alias)}"
        self._stage.narrator.say("You", told)

    def fail(self, image: SyntheticImage) -> None:
        """Makes an image a bad one: Lambda cannot run it."""
        self._stage.bundle.lambdas.fail(image.digest, "InvalidImage", "no entry point")

    def running(self, name: str, alias: str = "") -> str:
        """The digest that callers get."""
        qualifier = {"Qualifier": alias} if alias else {}
        found = self._lambda.get_function(FunctionName=name, **qualifier)
        return str(found["Code"]["ResolvedImageUri"]).partition("@")[2]

    def version(self, name: str, alias: str) -> str:
        """The version that an alias names."""
        return str(self._lambda.get_alias(FunctionName=name, Name=alias)["FunctionVersion"])

    def describe(self, name: str, alias: str = "") -> str:
        """What callers get, in words."""
        where = f"its alias {alias} is version {self.version(name, alias)}" if alias else "it runs"
        return f"{where} {'= ' if alias else ''}{short(self.running(name, alias))}"

    def conclude(self, name: str, alias: str = "") -> None:
        """Tells where the function ended."""
        self._stage.narrator.say("Now", f"{name}: {self.describe(name, alias)}")

    def _role(self) -> str:
        iam = self._stage.client("iam")
        try:
            made = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(_TRUST))
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName="functions")
        return str(made["Role"]["Arn"])
