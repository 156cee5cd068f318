"""values.schema.json: no key that values.yaml does not have, and no value that it does not allow."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mailyard.chart.definitions import DEFINITIONS
from mailyard.chart.entries import BadComment, Entry
from mailyard.chart.settings import settings_schema

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
OWN_KEYWORDS: Final = frozenset({"ref", "each", "free"})
SETTINGS: Final = "settings"
_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


def schema_text(values: Iterable[Entry]) -> str:
    """Return the file's text. Raises BadComment."""
    properties = {entry.name: _schema(entry) for entry in values}
    properties["global"] = {"type": "object", "description": "Values of a chart that this one is part of."}
    document = {
        "$schema": DRAFT,
        "title": "Values of the chart mailyard",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "definitions": dict(DEFINITIONS),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schema(entry: Entry, service: str = "") -> dict[str, Any]:
    described = {"description": entry.description} if entry.description else {}
    keywords = {key: value for key, value in entry.keywords.items() if key not in OWN_KEYWORDS}
    return {**described, **_shape(entry, service), **keywords}


def _shape(entry: Entry, service: str) -> dict[str, Any]:
    """Return the schema that the default and this package's keywords give."""
    if (name := entry.keywords.get("ref")) is not None:
        return _reference(name, service, entry)
    if entry.keywords.get("free"):
        return {"type": "object"}
    if entry.keywords.get("each"):
        first = entry.children[0]
        return _closed({child.name: _schema(first, child.name) for child in entry.children})
    if entry.children:
        return _closed({child.name: _schema(child, service) for child in entry.children})
    if "type" in entry.keywords:
        return {}
    return {"type": _TYPES[type(entry.default)]}


def _reference(name: str, service: str, entry: Entry) -> dict[str, Any]:
    """Put a $ref into an allOf: draft-07 ignores the keywords beside a $ref."""
    if name == SETTINGS:
        return settings_schema(service)
    if name not in DEFINITIONS:
        raise BadComment(
            f"{'.'.join(entry.path)}: there is no definition {name}; there are {', '.join(DEFINITIONS)}"
        )
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}
