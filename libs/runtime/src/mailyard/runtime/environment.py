"""Where settings come from: names of variables, secrets in files, lists with commas, and misspelt names."""

import json
import os
import re
import types
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

_COLLECTIONS = (list, tuple, set, frozenset)
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP).*)?)\Z")


class Problem(Exception):
    """The environment cannot be read as settings; one line per variable."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


def variable_of(field: str, prefix: str, common: Container[str]) -> str:
    """Return the environment variable of a field."""
    return f"{'MAILYARD_' if field in common else prefix}{field.upper()}"


class EnvironmentSource(PydanticBaseSettingsSource):
    """Reads the fields of one settings class from the process environment."""

    def __init__(self, settings: type[BaseSettings], common: Container[str]) -> None:
        super().__init__(settings)
        self._prefix: str = settings.model_config["env_prefix"]
        self._common = common

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the raw text of a field's variable, or of the file that its `_FILE` variable names."""
        variable = variable_of(field_name, self._prefix, self._common)
        text = os.environ.get(variable)
        path = os.environ.get(f"{variable}_FILE") if _is_secret(field) else None
        if path is None:
            return text, field_name, False
        if text is not None:
            raise Problem([f"{variable}: {variable}_FILE is set too. Set only one of them."])
        return _read_secret(f"{variable}_FILE", path), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of all fields that are set."""
        problems = self._unknown()
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            try:
                text, _, _ = self.get_field_value(field, name)
            except Problem as problem:
                problems += problem.lines
                continue
            if text is not None:
                values[name] = _structured(field, text)
        if problems:
            raise Problem(problems)
        return values

    def _unknown(self) -> list[str]:
        """Name the variables of this service that belong to no field."""
        if self._prefix == "MAILYARD_":
            return []
        known = set()
        for name, field in self.settings_cls.model_fields.items():
            variable = variable_of(name, self._prefix, self._common)
            known |= {variable, f"{variable}_FILE"} if _is_secret(field) else {variable}
        strange = [name for name in os.environ if name.startswith(self._prefix) and name not in known]
        return [_unknown_line(name, known) for name in sorted(strange)]


def _unknown_line(name: str, known: set[str]) -> str:
    if _SERVICE_LINK.search(name):
        return f"{name}: no such setting. It looks like a Kubernetes service link: set enableServiceLinks: false."
    own = ", ".join(sorted(known)) or "none"
    return f"{name}: no such setting. Remove it or correct its name; the settings are {own}."


def _read_secret(variable: str, path: str) -> str:
    """Return a file's text without the newline that editors put at its end."""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem([f"{variable}: cannot read {path}: {error}. Mount the secret there."]) from error


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in _alternatives(field.annotation)


def _structured(field: FieldInfo, text: str) -> Any:
    """Split commas for collections, read JSON for collections and mappings; all else stays text."""
    origins = {get_origin(each) or each for each in _alternatives(field.annotation)}
    if text.startswith(("[", "{")) and origins & {*_COLLECTIONS, dict, Mapping}:
        try:
            return json.loads(text)
        except ValueError:
            return text  # pydantic then says what it expected
    if origins & set(_COLLECTIONS):
        return [part for part in (part.strip() for part in text.split(",")) if part]
    return text


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, else the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
