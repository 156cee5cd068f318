"""The settings of the services as a chart may set them: types, limits and descriptions from the settings classes."""

import importlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from mailyard.runtime.settings import CommonSettings

SERVICES: Final = ("smtp-in", "router", "filter", "delivery", "relay", "imap")
COMMON: Final = ("log_level", "log_format")  # of those that every service has, a user chooses these
_CHART_SETS: Final = frozenset(
    {
        "tls_certificate_file",
        "tls_key_file",
        "proxy_networks",
        "rules",
        "inline_port",
        "inline_url",
        "inline_listeners",
    }
)
_DROPPED: Final = frozenset({"title", "default", "format"})


def settings_class(service: str) -> type[CommonSettings]:
    """Return the class that a service's settings module makes."""
    module = importlib.import_module(f"mailyard.{service.replace('-', '_')}.settings")
    (found,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, CommonSettings)
        and value.__module__ == module.__name__
    ]
    return found


def settings_schema(service: str) -> dict[str, Any]:
    """Return the JSON schema of `services.<service>.settings`."""
    model = settings_class(service)
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    properties = {
        to_camel(name): _property(schema["properties"][name], definitions)
        for name, field in model.model_fields.items()
        if _is_free(name, field)
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _is_free(name: str, field: FieldInfo) -> bool:
    """Whether the chart leaves it to the user; secrets come as files, and test switches lose mail."""
    if name in CommonSettings.model_fields:
        return name in COMMON
    return not (
        name in _CHART_SETS
        or name == "listen"
        or name.endswith("_listen")
        or name.startswith("test_")
        or field.annotation is SecretStr
    )


def _property(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is pydantic's, follow references, and take the one alternative that is not null."""
    if "$ref" in schema:
        resolved = definitions[schema["$ref"].rpartition("/")[2]]
        return _property({**resolved, **{key: schema[key] for key in schema if key != "$ref"}}, definitions)
    if "anyOf" in schema:
        (chosen,) = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return _property({**chosen, **{key: schema[key] for key in schema if key != "anyOf"}}, definitions)
    found = {key: value for key, value in schema.items() if key not in _DROPPED}
    for inner in ("items", "additionalProperties"):
        if isinstance(found.get(inner), dict):
            found[inner] = _property(found[inner], definitions)
    return found
