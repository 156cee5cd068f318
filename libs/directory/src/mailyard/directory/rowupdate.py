"""The MongoDB update that changes some fields of a row. Pure."""

from mailyard.store.client import Row


def update_of(changed: Row) -> Row:
    """Return the update that replaces these fields; None removes a field."""
    kept = {name: value for name, value in changed.items() if value is not None}
    removed = {name: "" for name, value in changed.items() if value is None}
    return {operator: part for operator, part in (("$set", kept), ("$unset", removed)) if part}
