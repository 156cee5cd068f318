"""Find the functions of the product that send queries, in its source: a query that no test sends cannot be explained."""

import ast
from collections.abc import Collection, Iterator
from typing import TypeGuard

from mailyard.local.paths import REPOSITORY

_QUERIES = {
    "aggregate",
    "bulk_write",
    "count_documents",
    "delete_many",
    "delete_one",
    "distinct",
    "find",
    "find_one",
    "find_one_and_delete",
    "find_one_and_update",
    "update_many",
    "update_one",
}
_PRODUCT = ("libs", "services", "tools/cli")


def unsent(locations: Collection[str]) -> list[str]:
    """Return the locations that send queries and are not among `locations`."""
    return sorted(location for location in senders() if location not in locations)


def senders() -> set[str]:
    """Return every function of the product that calls a query method of a collection."""
    files = [
        file
        for part in _PRODUCT
        for file in (REPOSITORY / part).glob("**/src/mailyard/**/*.py")
        if "pymongo" in file.read_text() or "mailyard.store" in file.read_text()
    ]
    return {
        f"{str(file).partition('/src/')[2]}:{name}"
        for file in files
        for name in _functions(ast.parse(file.read_text()))
    }


def _functions(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{each.name}" for each in node.body if _is_sender(each))
        elif _is_sender(node):
            yield node.name


def _is_sender(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr in _QUERIES
        and not isinstance(each.func.value, ast.Constant)
        for each in ast.walk(node)
    )
