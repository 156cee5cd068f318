"""The settings of the services that a chart may set: types, limits and descriptions from the settings classes."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from mailyard.runtime.environment import renames_of
from mailyard.runtime.settings import CommonSettings, settings_class

COMMON: Final = ("log_level", "log_format")  # of those that every service has, a user chooses these
_CHART_SETS: Final = frozenset(
    {
        "tls_certificate_file",
        "tls_certificate_folder",
        "tls_key_file",
        "proxy_networks",
        "rules",
        "inline_port",
        "inline_url",
        "inline_listeners",
    }
)
_DROPPED: Final = frozenset({"title", "default", "format"})


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
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties | _old_names(model, properties),
    }


def _old_names(model: type[CommonSettings], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of settings that the service still understands by an old name of its own."""
    prefix = model.model_config["env_prefix"]
    return {
        to_camel(renamed.old.removeprefix(prefix).lower()): {
            **properties[to_camel(name)],
            "description": f"Old name of {to_camel(name)}, which the next minor version refuses.",
            "deprecated": True,
        }
        for name, field in model.model_fields.items()
        for renamed in renames_of(field)
        if to_camel(name) in properties and renamed.old.startswith(prefix)
    }


def _is_free(name: str, field: FieldInfo) -> bool:
    """Return whether the user may set it: secrets come as files, and test switches lose mail."""
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
    """Leave out pydantic's keywords, follow references, and take the one alternative that is not null."""
    if "$ref" in schema:
        resolved = definitions[schema["$ref"].rpartition("/")[2]]
        return _property({**resolved, **{key: schema[key] for key in schema if key != "$ref"}}, definitions)
    if "anyOf" in schema:
        chosen, *others = [
            _property(each, definitions) for each in schema["anyOf"] if each.get("type") != "null"
        ]
        if any(
            each != chosen for each in others
        ):  # such as networks of IPv4 and IPv6, which differ in format only
            raise ValueError(f"{schema['anyOf']}: the chart knows settings of one type only")
        return _property({**chosen, **{key: schema[key] for key in schema if key != "anyOf"}}, definitions)
    found = {key: value for key, value in schema.items() if key not in _DROPPED}
    for inner in ("items", "additionalProperties"):
        if isinstance(found.get(inner), dict):
            found[inner] = _property(found[inner], definitions)
    return found
