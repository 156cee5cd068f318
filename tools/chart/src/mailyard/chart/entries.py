"""The values of a chart with their comments: what values.yaml says, as data.

The comment right above a key describes it. A line `@schema {…}` in it holds keywords of JSON Schema, or one of this package:
`ref` (a definition), `each` (all children are alike, the first one is documented), `free` (Kubernetes checks it).
A line that begins with `##` opens a section.
"""

from dataclasses import dataclass
from typing import Any

import yaml

_SCHEMA = "@schema "


class BadComment(Exception):
    """A comment cannot be used; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value: its path, its description, its default, and the values inside it."""

    path: tuple[str, ...]
    description: str
    keywords: dict[str, Any]
    default: Any
    children: tuple["Entry", ...] = ()
    section: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]


def entries(text: str) -> tuple[Entry, ...]:
    """Read the text of values.yaml. Raises BadComment."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise BadComment("values.yaml: expected a mapping")
    return _Reader(text.splitlines()).children(root, ())


@dataclass(frozen=True, slots=True)
class _Reader:
    lines: list[str]

    def children(self, node: yaml.MappingNode, path: tuple[str, ...]) -> tuple[Entry, ...]:
        return tuple(self._entry(key, value, (*path, key.value)) for key, value in node.value)

    def _entry(self, key: yaml.Node, value: yaml.Node, path: tuple[str, ...]) -> Entry:
        description, keywords = self._comment(key.start_mark.line, path)
        inside: tuple[Entry, ...] = ()
        if (
            isinstance(value, yaml.MappingNode)
            and value.value
            and not value.flow_style
            and "ref" not in keywords
        ):
            inside = self.children(value, path)
        section = self._section(key.start_mark.line) if len(path) == 1 else ""
        return Entry(path, description, keywords, _plain(value), inside, section)

    def _comment(self, line: int, path: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        words: list[str] = []
        keywords: dict[str, Any] = {}
        while (line := line - 1) >= 0 and (text := self.lines[line].strip()).startswith("# "):
            said = text.removeprefix("# ")
            if said.startswith(_SCHEMA):
                keywords |= _keywords(said.removeprefix(_SCHEMA), path)
            else:
                words.insert(0, said)
        return " ".join(words), keywords

    def _section(self, line: int) -> str:
        titles = [text.removeprefix("## ") for text in self.lines[:line] if text.startswith("## ")]
        return titles[-1] if titles else ""


def _keywords(text: str, path: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadComment(f"{'.'.join(path)}: @schema {text}: {error}") from None
    if not isinstance(found, dict):
        raise BadComment(f"{'.'.join(path)}: @schema needs a mapping, such as {{minimum: 1}}")
    return found


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))
