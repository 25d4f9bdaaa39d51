"""Queries of moto's tables by key: for each, moto sorts the whole table, which a ledger of some busy days feels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models.table import Table

from longshore_local.overriding import override

if TYPE_CHECKING:
    from moto.dynamodb.models.dynamo_type import DynamoType, Item


class _Partition:
    """A table in which only the items of one key are found; in all else the table itself."""

    def __init__(self, table: Table, items: Sequence[Item]) -> None:
        self._table = table
        self._found = items

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def all_items(self) -> Sequence[Item]:
        """What moto looks through."""
        return self._found


def _partition(table: Table, key: DynamoType | None) -> Sequence[Item]:
    if key not in table.items:
        return []
    found: Any = table.items[key]
    return list(found.values()) if table.range_key_attr else [found]


@contextmanager
def quick_queries() -> Iterator[None]:
    """Until the end, a query without an index looks at the items of its key alone."""

    def query(table: Table, hash_key: DynamoType | None, *terms: Any, **more: Any) -> Any:
        index = more.get("index_name") or (terms[6] if len(terms) > 6 else None)
        return former(table if index else _Partition(table, _partition(table, hash_key)), hash_key, *terms, **more)

    with override(Table, "query", query) as former:
        yield
