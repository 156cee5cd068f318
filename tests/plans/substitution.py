"""Put values of the loaded data into a recorded query: an id that exists, a range that ends in the middle."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Document = Mapping[str, Any]
_KEPT = {"state", "route", "due_at.exists"}
_LOWER, _UPPER = 0.3, 0.5  # where ranges begin and end among the values of a field
_ORDERED = (int, float, str, datetime)


class Samples:
    """Some documents of one collection."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def adapted(self, query: Document) -> dict[str, Any]:
        """Return the query with values of one document, so that several conditions meet in it."""
        wanted = [field for field in query if not field.startswith("$")]
        document = max(
            self._documents,
            key=lambda each: sum(_value(each, field) is not None for field in wanted),
            default={},
        )
        return self._conditions(query, document)

    def _conditions(self, query: Document, document: Document) -> dict[str, Any]:
        return {
            field: [self._conditions(each, document) for each in condition]
            if field in ("$and", "$or", "$nor")
            else self._condition(field, condition, document)
            for field, condition in query.items()
        }

    def _condition(self, field: str, condition: Any, document: Document) -> Any:
        if field in _KEPT or field.startswith("$"):
            return condition
        if isinstance(condition, Mapping) and any(key.startswith("$") for key in condition):
            return {
                operator: self._operand(field, operator, value, document)
                for operator, value in condition.items()
            }
        return _same_type(condition, _value(document, field))

    def _operand(self, field: str, operator: str, value: Any, document: Document) -> Any:
        match operator:
            case "$in":
                return [
                    _same_type(old, new) for old, new in zip(value, self._some(field, value), strict=True)
                ]
            case "$eq":
                return _same_type(value, _value(document, field))
            case "$gt" | "$gte":
                return self._at(field, _LOWER, value)
            case "$lt" | "$lte":
                return self._at(field, _UPPER, value)
            case "$not":
                return self._condition(field, value, document)
        return value

    def _some(self, field: str, old: Sequence[Any]) -> list[Any]:
        found = [value for each in self._documents if (value := _value(each, field)) is not None]
        return [found[number % len(found)] if found else each for number, each in enumerate(old)]

    def _at(self, field: str, part: float, old: Any) -> Any:
        found = [_value(each, field) for each in self._documents]
        alike = sorted(value for value in found if type(value) is type(old))
        return alike[int(len(alike) * part)] if alike else old


def _value(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _same_type(old: Any, new: Any) -> Any:
    return new if new is not None and type(new) is type(old) else old
