"""A property that is worked out once: what failed is not asked again either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

_Value = TypeVar("_Value")


class once(Generic[_Value]):
    """Like `functools.cached_property`, with the error kept as well."""

    def __init__(self, make: Callable[[Any], _Value]) -> None:
        self._make = make
        self._key = f"_once_{make.__name__}"
        self.__doc__ = make.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> _Value:
        known = vars(owner)
        if self._key not in known:
            try:
                known[self._key] = self._make(owner), None
            except Exception as error:
                known[self._key] = None, error
        value, failure = known[self._key]
        if failure is not None:
            raise failure
        return value  # type: ignore[no-any-return]
