"""Settings from environment variables: their names, old names, secrets in files, lists, and misspelt names."""

import json
import os
import re
import types
from collections.abc import Container, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from mailyard.runtime.renames import Renamed

_COLLECTIONS = (list, tuple, set, frozenset)
PROGRAMS = (
    "smtp-in", "router", "filter", "delivery", "relay", "imap", "install-check", "local", "cluster", "chaos", "bench",
    "probe", "canary", "setup", "sink", "cli", "chart", "port", "trial", "observability",
)  # fmt: skip
"""Programs with variables of their own, or the first words of such variables: MAILYARD_<PROGRAM>_..."""
_LIKENESS = 0.8
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP).*)?)\Z")


class BadEnvironment(Exception):
    """The environment cannot be read as settings; `lines` has one line per variable."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


def variable_of(field: str, prefix: str, common: Container[str]) -> str:
    """Return the environment variable of a field."""
    return f"{'MAILYARD_' if field in common else prefix}{field.upper()}"


def renames_of(field: FieldInfo) -> tuple[Renamed, ...]:
    """Return the names that a field's variable had before."""
    return tuple(each for each in field.metadata if isinstance(each, Renamed))


def set_variable(field: FieldInfo, variable: str) -> str:
    """Return the variable that gives a field its value: `variable`, or an old name of it that is set.

    Raises:
        BadEnvironment: both are set.

    """
    names = [variable, *(each.old for each in renames_of(field))]
    given = [name for name in names if _is_set(field, name)]
    if len(given) > 1:
        raise BadEnvironment(
            [f"{given[0]}: {given[1]} is set too, an old name of {variable}. Set only {variable}."]
        )
    return given[0] if given else variable


class EnvironmentSource(PydanticBaseSettingsSource):
    """Reads the fields of one settings class from the process environment."""

    def __init__(self, settings: type[BaseSettings], common: Container[str]) -> None:
        super().__init__(settings)
        self._prefix: str = settings.model_config["env_prefix"]
        self._common = common

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the raw text of a field's variable, or of the file that its `_FILE` variable names."""
        variable = set_variable(field, variable_of(field_name, self._prefix, self._common))
        text = _given(variable)
        path = _given(f"{variable}_FILE") if _is_secret(field) else None
        if text is None and _is_collection(field) and variable in os.environ:
            return "", field_name, False  # an empty list is a value: no members
        if path is None:
            return text, field_name, False
        if text is not None:
            raise BadEnvironment([f"{variable}: {variable}_FILE is set too. Set only one of them."])
        return _read_secret(f"{variable}_FILE", path), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of all fields that are set."""
        problems = self._unknown()
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            try:
                text, _, _ = self.get_field_value(field, name)
            except BadEnvironment as problem:
                problems += problem.lines
                continue
            if text is not None:
                values[name] = _structured(field, text)
        if problems:
            raise BadEnvironment(problems)
        return values

    def _unknown(self) -> list[str]:
        """Name the variables of this service that belong to no field, and those that look like misspelt common ones."""
        known, old = set[str](), set[str]()
        for name, field in self.settings_cls.model_fields.items():
            ends = ("", "_FILE") if _is_secret(field) else ("",)
            variable = variable_of(name, self._prefix, self._common)
            known |= {f"{variable}{end}" for end in ends}
            old |= {f"{each.old}{end}" for each in renames_of(field) for end in ends}
        own = [] if self._prefix == "MAILYARD_" else _starting_with(self._prefix, known | old)
        return [_unknown_line(name, known) for name in own] + [
            f"{name}: no such setting. Did you mean {likely}?"
            for name in unclaimed(known | old, self._prefix)
            if (likely := _likely(name, known)) is not None
        ]


def unclaimed(known: Container[str], prefix: str) -> list[str]:
    """Return the variables that begin with MAILYARD_ and belong neither to a field nor to another program."""
    others = [f"MAILYARD_{program.upper().replace('-', '_')}_" for program in PROGRAMS]
    return [
        name
        for name in _starting_with("MAILYARD_", known)
        if not (prefix != "MAILYARD_" and name.startswith(prefix))
        and not name.startswith(tuple(others))
        and not _SERVICE_LINK.search(name)
    ]


def _starting_with(prefix: str, known: Container[str]) -> list[str]:
    return sorted(name for name in os.environ if name.startswith(prefix) and name not in known)


def _likely(name: str, known: Iterable[str]) -> str | None:
    """Return the known variable that a name looks like; underscores are forgotten and letters exchanged."""
    by_letters = {each.replace("_", ""): each for each in sorted(known)}
    found = get_close_matches(name.replace("_", ""), by_letters, n=1, cutoff=_LIKENESS)
    return by_letters[found[0]] if found else None


def _unknown_line(name: str, known: set[str]) -> str:
    if _SERVICE_LINK.search(name):
        return f"{name}: no such setting. It looks like a Kubernetes service link: set enableServiceLinks: false."
    own = ", ".join(sorted(known)) or "none"
    if (likely := _likely(name, known)) is not None:
        return f"{name}: no such setting. Did you mean {likely}? The settings are {own}."
    return f"{name}: no such setting. Remove it or correct its name; the settings are {own}."


def _given(variable: str) -> str | None:
    """Return a variable's text; one that is set and blank counts as not set."""
    text = os.environ.get(variable, "")
    return text if text.strip() else None


def _is_set(field: FieldInfo, variable: str) -> bool:
    if _is_collection(field):
        return variable in os.environ
    return _given(variable) is not None or (_is_secret(field) and _given(f"{variable}_FILE") is not None)


def _read_secret(variable: str, path: str) -> str:
    """Return a file's text without the newline that editors put at its end."""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadEnvironment([f"{variable}: cannot read {path}: {error}. Mount the secret there."]) from error


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in _alternatives(field.annotation)


def _is_collection(field: FieldInfo) -> bool:
    return bool({get_origin(each) or each for each in _alternatives(field.annotation)} & set(_COLLECTIONS))


def _structured(field: FieldInfo, text: str) -> Any:
    """Read JSON for collections and mappings, split commas for collections; all else stays text.

    A list may begin with a bracket and be no JSON: `[::]:25`.
    """
    origins = {get_origin(each) or each for each in _alternatives(field.annotation)}
    if text.lstrip().startswith(("[", "{")) and origins & {*_COLLECTIONS, dict, Mapping}:
        try:
            return json.loads(text)
        except ValueError:
            if not origins & set(_COLLECTIONS):
                return text  # pydantic then says what it expected
    if origins & set(_COLLECTIONS):
        return [part for part in (part.strip() for part in text.split(",")) if part]
    return text


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, else the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
