"""Find queries for data of tenants that do not name the tenant, or that are outside of the package of the data.

`python -m tests.lint.tenant_scope` reads the source, not the data. The filter of a query must be visible at the query:
a dict with the scope key, or a name that got such a dict in the same function. Functions named `entry_…` look up the
tenant itself; they are the only exception.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ENTRY = "entry_"
ROOTS = ("libs", "services", "tools")
FILTERED = frozenset(
    {
        "find_one",
        "find_one_and_update",
        "find_one_and_delete",
        "find_one_and_replace",
        "update_one",
        "update_many",
        "replace_one",
        "delete_one",
        "delete_many",
        "count_documents",
    }
)
OTHER_QUERIES = frozenset({"find", "aggregate", "distinct"})
UNMISTAKABLE = FILTERED | {"aggregate"}  # no other type has methods of these names
OPERATIONS = frozenset({"UpdateOne", "UpdateMany", "ReplaceOne", "DeleteOne", "DeleteMany"})


@dataclass(frozen=True, slots=True)
class ScopedPackage:
    """A package that holds tenant data: its folder, and the scope key of each of its collections."""

    folder: str
    scopes: Mapping[str, str]


SCOPED_PACKAGES = (
    ScopedPackage(
        "libs/directory/src",
        {
            "domains": "tenant",
            "accounts": "tenant",
            "addresses": "tenant",
            "app_passwords": "tenant",
            "grants": "tenant",
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One line that breaks the rule."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def check(
    path: str, source: str, packages: tuple[ScopedPackage, ...] = SCOPED_PACKAGES, root: Path = Path()
) -> list[Violation]:
    """Judge one file by its path from the root of the repository."""
    tree = ast.parse(source, path)
    inside = next((package for package in packages if path.startswith(package.folder + "/")), None)
    found: list[Violation] = []
    if inside is not None:
        names = {**_imported_constants(tree, root / inside.folder), **dict(_string_constants(tree))}
        found += Repository(path, tree, inside.scopes, names).violations()
    for package in packages:
        if package is not inside:
            found += _foreign_uses(path, tree, package)
    return sorted(found, key=lambda violation: violation.line)


def _foreign_uses(path: str, tree: ast.Module, package: ScopedPackage) -> Iterator[Violation]:
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and (name := _collection_literal(node)) in package.scopes:
            yield Violation(path, node.lineno, f"only {package.folder} may touch the collection {name}")


def _collection_literal(node: ast.AST) -> str | None:
    """Return "x" of `….collection("x")`, `….get_collection("x")` and `….db["x"]`."""
    if isinstance(node, ast.Call) and _opens_collection(node):
        return _text(node.args[0])
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "db":
        return _text(node.slice)
    return None


def _opens_collection(call: ast.Call) -> bool:
    opens = isinstance(call.func, ast.Attribute) and call.func.attr in {"collection", "get_collection"}
    return opens and bool(call.args)


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


class Repository:
    """One module of a package."""

    def __init__(
        self, path: str, tree: ast.Module, scopes: Mapping[str, str], constants: Mapping[str, str]
    ) -> None:
        self._path = path
        self._tree = tree
        self._scopes = scopes
        self._constants = constants
        self._handles = dict(self._collection_handles())

    def violations(self) -> Iterator[Violation]:
        """Judge every query of the module."""
        for function in _functions(self._tree):
            if not function.name.startswith(ENTRY):
                for call in _calls_of(function):
                    if text := self._fault(call, function):
                        yield Violation(self._path, call.lineno, f"{function.name}: {text}")

    def _fault(self, call: ast.Call, function: ast.AST) -> str | None:
        if isinstance(call.func, ast.Name) and call.func.id in OPERATIONS:
            scopes = {self._scopes[each] for each in self._handles.values() if each in self._scopes}
            return next((text for scope in sorted(scopes) if (text := _lacks(call, scope, function))), None)
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in FILTERED | OTHER_QUERIES:
            return None
        collection = self._collection_of(call.func.value)
        if collection is None:
            unclear = call.func.attr in UNMISTAKABLE
            return f"cannot see which collection {call.func.attr} asks" if unclear else None
        scope = self._scopes.get(collection)
        return None if scope is None else _lacks(call, scope, function)

    def _collection_of(self, node: ast.AST) -> str | None:
        """Follow `….collection(X)`, `self._rows` and local names to the collection's name."""
        if literal := _collection_literal(node):
            return literal
        if isinstance(node, ast.Call) and _opens_collection(node):
            argument = node.args[0]
            return self._constants.get(argument.id) if isinstance(argument, ast.Name) else None
        if isinstance(node, ast.Attribute | ast.Name):
            return self._handles.get(_last_name(node))
        return None

    def _collection_handles(self) -> Iterator[tuple[str, str]]:
        """Find the names that stand for a collection: assigned variables and attributes, and properties."""
        self._handles = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and (collection := self._collection_of(node.value)):
                yield from ((_last_name(target), collection) for target in node.targets)
            elif isinstance(node, ast.FunctionDef):
                for each in node.body:
                    if (
                        isinstance(each, ast.Return)
                        and each.value
                        and (name := self._collection_of(each.value))
                    ):
                        yield node.name, name


def _lacks(call: ast.Call, scope: str, function: ast.AST) -> str | None:
    positional = 1 if isinstance(call.func, ast.Attribute) and call.func.attr == "distinct" else 0
    filters = [word.value for word in call.keywords if word.arg in {"filter", "pipeline"}]
    chosen = filters[0] if filters else (call.args[positional] if len(call.args) > positional else None)
    if chosen is not None and _carries(chosen, scope, function):
        return None
    return f"the filter does not visibly carry {scope!r}"


def _carries(node: ast.AST, scope: str, function: ast.AST) -> bool:
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return any(
            _carries(value, scope, function) if key is None else _text(key) == scope for key, value in pairs
        )
    if isinstance(node, ast.List):
        return bool(node.elts) and _matches_first(node.elts[0], scope, function)
    if isinstance(node, ast.Name):
        values = list(_values_given(node.id, function))
        return bool(values) and all(_carries(value, scope, function) for value in values)
    return False


def _matches_first(stage: ast.AST, scope: str, function: ast.AST) -> bool:
    """A pipeline is scoped when its first stage is a `$match` that is."""
    if not isinstance(stage, ast.Dict) or len(stage.keys) != 1 or stage.keys[0] is None:
        return False
    return _text(stage.keys[0]) == "$match" and _carries(stage.values[0], scope, function)


def _values_given(name: str, function: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            yield from (node.value for target in targets if _last_name(target) == name)


def _string_constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and (text := _text(node.value)):
            yield from ((_last_name(target), text) for target in node.targets)


def _imported_constants(tree: ast.Module, folder: Path) -> dict[str, str]:
    """Read the strings that a module imports by name from its own package."""
    found: dict[str, str] = {}
    for node in tree.body:
        module = (
            folder / f"{(node.module or '').replace('.', '/')}.py"
            if isinstance(node, ast.ImportFrom)
            else None
        )
        if isinstance(node, ast.ImportFrom) and module is not None and module.is_file():
            there = dict(_string_constants(ast.parse(module.read_text())))
            found |= {one.asname or one.name: there[one.name] for one in node.names if one.name in there}
    return found


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _calls_of(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of a function, not those of functions inside it: these are judged by themselves."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls_of(child)


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def main() -> None:
    """Judge the whole repository; exit 1 when a query breaks the rule."""
    files = sorted(path for root in ROOTS for path in Path(root).glob("*/src/**/*.py"))
    violations = [each for path in files for each in check(path.as_posix(), path.read_text())]
    sys.exit("\n".join(map(str, violations)) if violations else 0)


if __name__ == "__main__":
    main()
