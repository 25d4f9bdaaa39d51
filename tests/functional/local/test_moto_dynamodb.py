"""Queries by key look at the items of that key alone, and answer what moto answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models.table import Table

from longshore_local.moto_dynamodb import quick_queries

TABLE = "ledger"
QUERIES: dict[str, dict[str, Any]] = {
    "one key": {"KeyConditionExpression": "pk = :pk"},
    "newest first": {"KeyConditionExpression": "pk = :pk", "ScanIndexForward": False},
    "a beginning": {"KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)", "more": {":sk": {"S": "b#"}}},
    "two of them": {"KeyConditionExpression": "pk = :pk", "Limit": 2},
    "goes on": {
        "KeyConditionExpression": "pk = :pk",
        "ExclusiveStartKey": {"pk": {"S": "one"}, "sk": {"S": "a#2"}},
    },
    "a filter": {"KeyConditionExpression": "pk = :pk", "FilterExpression": "size(sk) > :n", "more": {":n": {"N": "2"}}},
}


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        for key in ("two", "one"):
            for rest in ("b#1", "a#2", "b#22", "a#1"):
                client.put_item(TableName=TABLE, Item={"pk": {"S": key}, "sk": {"S": rest}})
        yield client


def asked(dynamodb: Any, key: str, terms: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    given = {name: value for name, value in terms.items() if name != "more"}
    values = {":pk": {"S": key}, **terms.get("more", {})}
    with quick_queries() if quick else nullcontext():
        answer = dynamodb.query(TableName=TABLE, ExpressionAttributeValues=values, **given)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.mark.parametrize("key", ["one", "none"])
@pytest.mark.parametrize("name", QUERIES)
def test_the_answer_is_motos(dynamodb: Any, name: str, key: str) -> None:
    quick, own = (asked(dynamodb, key, QUERIES[name], quick=each) for each in (True, False))
    assert quick == own
    assert bool(own["Items"]) is (key == "one")


def test_other_items_are_not_looked_at(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(_table: Table) -> Any:
        raise AssertionError("the whole table was read")

    monkeypatch.setattr(Table, "all_items", everything)
    assert len(asked(dynamodb, "one", QUERIES["one key"], quick=True)["Items"]) == 4
