"""The AWS side of the contract suites: moto, with the ledger's table, a queue, a bus and schedules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

from longshore.aws.table import Table

REGION = "eu-west-1"
TABLE = "ledger"


@contextmanager
def mocked() -> Iterator[None]:
    """An empty account for as long as the block lasts."""
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        yield


def client(service: str) -> Any:
    """A client of the account's Region."""
    return boto3.client(service, region_name=REGION)


def ledger_table() -> Table:
    """The ledger's table, as the template declares it."""
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return Table(dynamodb, TABLE)


def raw_items() -> list[dict[str, Any]]:
    """Every item of the table as DynamoDB has it."""
    found: list[dict[str, Any]] = client("dynamodb").scan(TableName=TABLE)["Items"]
    return found
