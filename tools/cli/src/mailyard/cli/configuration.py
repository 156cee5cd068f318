"""Connection settings of the command: from --config, else from the environment, else from the file of local mode."""

import os
from pathlib import Path

from pydantic import ValidationError

from mailyard.runtime.settings import CommonSettings, load_settings

LOCAL_FILE = Path("var/local/env")  # written by `make run`
_PREFIX = "MAILYARD_"
_SERVERS = ("MAILYARD_MONGO_URL", "MAILYARD_AMQP_URL", "MAILYARD_MONGO_DATABASE")


class BadConfiguration(Exception):
    """The file cannot be used; the text has the reason."""


def configuration(file: Path | None) -> CommonSettings:
    """Read the settings.

    The file of local mode is used only if the environment sets no server at all, so that two sources are never mixed.

    Raises:
        BadConfiguration: the file cannot be read, or has an invalid setting.
        SystemExit: the environment is wrong (status 78; the problems are printed).

    """
    if file is not None:
        return _from_file(file)
    if not _environment_names_servers() and LOCAL_FILE.exists():
        return _from_file(LOCAL_FILE)
    return load_settings(CommonSettings)


def names_servers(file: Path | None) -> bool:
    """Return whether any source names the servers; otherwise the defaults, on this machine, are used."""
    return file is not None or _environment_names_servers() or LOCAL_FILE.exists()


def _environment_names_servers() -> bool:
    return any(variable in os.environ or f"{variable}_FILE" in os.environ for variable in _SERVERS)


def _from_file(file: Path) -> CommonSettings:
    try:
        return CommonSettings.model_validate(_fields(file))
    except ValidationError as error:
        problems = "; ".join(
            f"{_PREFIX}{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()
        )
        raise BadConfiguration(f"{file}: {problems}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"cannot read {file}: {error}") from None


def _fields(file: Path) -> dict[str, str]:
    """Return the common settings of a file; it may also contain settings of services."""
    fields: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, assigned, value = text.partition("=")
        if not assigned:
            raise BadConfiguration(f"{file}, line {number}: expected NAME=value")
        field = name.strip().removeprefix(_PREFIX).lower()
        if name.startswith(_PREFIX) and field in CommonSettings.model_fields:
            fields[field] = _unquoted(value.strip())
    return fields


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
