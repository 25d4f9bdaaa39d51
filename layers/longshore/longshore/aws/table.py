"""One DynamoDB table of items under a partition and a sort key, with the ledger's schema number and time to live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from longshore.aws.errors import aws_errors

SCHEMA = 1
READABLE = (SCHEMA, SCHEMA - 1)
"""Readers accept the schema before, so that an upgrade loses nothing (design 5)."""

Item = Mapping[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def encoded(item: Item) -> dict[str, Any]:
    """An item as DynamoDB takes it; None members are left out."""
    return {key: _serialize(value) for key, value in item.items() if value is not None}


def decoded(item: Item) -> dict[str, Any]:
    """An item as plain Python: whole numbers are int."""
    return {key: _plain(_deserialize(value)) for key, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def expiry(at: datetime, keep: timedelta) -> int:
    """The time to live, in epoch seconds, of an item written at `at`."""
    return int((at + keep).timestamp())


class Table:
    """Get, put, query and transact; every put is conditional when it says so."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """One item, consistently read, or None."""
        with aws_errors():
            answer = self._dynamodb.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return _readable(answer.get("Item"))

    def put(self, item: Item, condition: str | None = None, values: Item | None = None) -> None:
        """Writes an item. Raises ConflictError when `condition` does not hold."""
        with aws_errors():
            self._dynamodb.put_item(**self._put(item, condition, values))

    def delete(self, pk: str, sk: str, members: Item | None = None) -> None:
        """Deletes an item, there or not. Raises ConflictError when it does not have `members`."""
        condition: dict[str, Any] = {}
        if members:
            condition = {
                "ConditionExpression": " AND ".join(f"#{name} = :{name}" for name in members),
                "ExpressionAttributeNames": {f"#{name}": name for name in members},
                "ExpressionAttributeValues": encoded({f":{name}": value for name, value in members.items()}),
            }
        with aws_errors():
            self._dynamodb.delete_item(TableName=self._name, Key=_key(pk, sk), **condition)

    def update(self, pk: str, sk: str, expression: str, values: Item, condition: str | None = None) -> None:
        """Changes members of an item, `#schema` to `:schema` among them. Raises ConflictError, see `condition`."""
        extra = {"ConditionExpression": condition} if condition else {}
        with aws_errors():
            self._dynamodb.update_item(
                TableName=self._name,
                Key=_key(pk, sk),
                UpdateExpression=expression,
                ExpressionAttributeNames={"#schema": "schema"},
                ExpressionAttributeValues=encoded({**values, ":schema": SCHEMA}),
                **extra,
            )

    def query(self, pk: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        """Every item of a partition whose sort key begins with `prefix`, consistently read."""
        condition, values = "pk = :pk", {":pk": pk}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": encoded(values),
            "ConsistentRead": True,
        }
        while True:
            with aws_errors():
                answer = self._dynamodb.query(**request)
            for item in answer.get("Items", []):
                if readable := _readable(item):
                    yield readable
            if not answer.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def transact(self, puts: Sequence[Item], deletes: Sequence[tuple[str, str]]) -> None:
        """All of it or nothing; at most a hundred writes."""
        writes: list[dict[str, Any]] = [{"Put": self._put(item)} for item in puts]
        writes += [{"Delete": {"TableName": self._name, "Key": _key(pk, sk)}} for pk, sk in deletes]
        with aws_errors():
            self._dynamodb.transact_write_items(TransactItems=writes)

    def _put(self, item: Item, condition: str | None = None, values: Item | None = None) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self._name, "Item": encoded({**item, "schema": SCHEMA})}
        if condition:
            request["ConditionExpression"] = condition
        if values:
            request["ExpressionAttributeValues"] = encoded(values)
        return request


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _readable(item: Item | None) -> dict[str, Any] | None:
    if not item:
        return None
    plain = decoded(item)
    return plain if plain.get("schema", SCHEMA) in READABLE else None
