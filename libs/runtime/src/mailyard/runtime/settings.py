"""Settings of the services, read from the environment.

Fields of `CommonSettings` are read from `MAILYARD_<FIELD>`, a service's own from `MAILYARD_<SERVICE>_<FIELD>`.
A secret may come from a file instead: `MAILYARD_<FIELD>_FILE` names it. Lists are JSON or comma-separated.
A variable that is set and empty counts as not set; an empty list has no members. A variable of this service that names
no field is an error, and so is one that looks like a misspelt common one: a misspelt limit is not a missing limit.

The type of a field may say since when the field exists (`VersionAdded`) and which variable it had before (`Renamed`).
The old variable works in the minor version that renames it, with one warning in the log.
"""

import importlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mailyard.runtime.clock import now_utc
from mailyard.runtime.environment import (
    BadEnvironment,
    EnvironmentSource,
    renames_of,
    set_variable,
    unclaimed,
    variable_of,
)
from mailyard.runtime.renames import Renamed, VersionAdded

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state

Port = Annotated[int, Field(ge=0, le=65535)]
SettingsType = TypeVar("SettingsType", bound="CommonSettings")


def settings_config(service: str) -> SettingsConfigDict:
    """Return the model configuration of a service's settings; `service` as in `services/<name>`."""
    prefix = f"MAILYARD_{service.upper().replace('-', '_')}_"
    return SettingsConfigDict(env_prefix=prefix, extra="forbid", frozen=True)


class CommonSettings(BaseSettings):
    """The settings that every service has."""

    model_config = SettingsConfigDict(env_prefix="MAILYARD_", extra="forbid", frozen=True)

    amqp_url: SecretStr = Field(
        default=SecretStr("amqp://guest:guest@127.0.0.1:5672/"),
        description="Where RabbitMQ listens: amqp:// or amqps://, with credentials and virtual host.",
    )
    mongo_url: SecretStr = Field(
        default=SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0"),
        description="Where MongoDB listens: a mongodb:// or mongodb+srv:// URL of a replica set or mongos.",
    )
    mongo_database: str = Field(
        default="mailyard",
        min_length=1,
        max_length=63,
        description="Name of the database for everything that Mailyard stores.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object per line, or coloured text for people."
    )
    http_host: str = Field(
        default="127.0.0.1", description="Address of the health and metrics listener; 0.0.0.0 in a container."
    )
    http_port: Port = Field(
        default=0, description="Port of /livez, /readyz and /metrics; 0 lets the system choose one."
    )
    hostname: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        max_length=255,
        description="Host name in greetings and Received fields; it should resolve to this host.",
    )
    postmaster: Annotated[str, VersionAdded("0.3.0")] = Field(
        default="",
        max_length=512,
        description="Address that receives mail for postmaster@ and abuse@ of local domains that have no such address,"
        " no contact of their tenant and no catch-all; empty: the oldest active account of the tenant receives it.",
    )
    sealing_keys: Annotated[SecretStr, VersionAdded("0.3.0")] = Field(
        default=SecretStr(""),
        description="Keys that encrypt secrets in MongoDB, such as private keys of DKIM and passwords of other systems:"
        " a line for each, made by `mailyard sealing-key new`; the first one encrypts. Empty: such secrets cannot be"
        " stored.",
    )
    dkim_zone: Annotated[str, VersionAdded("0.3.0")] = Field(
        default="",
        max_length=100,
        pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)+)?$",
        description="DNS zone of the provider, such as dkim.example.net, in which the keys of DKIM are published. Customers"
        " publish CNAME records to it once.",
    )
    verify_domains: Annotated[bool, VersionAdded("0.3.0")] = Field(
        default=False,
        description="A domain that `mailyard domain add` adds is unverified, and takes no mail, until its DNS shows a"
        " token. Without it the operator vouches for the domains.",
    )
    drain_seconds: float = Field(
        default=25.0,
        gt=0,
        le=3600,
        description="How long a stop may take in all; a little less than the pod's termination grace period.",
    )
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        description="Name of this process among its peers, for leases and logs.",
    )

    tracing_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+",
        description="Base URL of an OpenTelemetry collector (OTLP over HTTP), for instance http://collector:4318;"
        " unset: no tracing. See docs/tracing.md.",
    )
    tracing_sample_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of new messages that are traced, where tracing is on."
    )

    @model_validator(mode="after")
    def _test_switches_stay_in_trials(self) -> Self:
        """A switch that loses mail on purpose works under a host name of RFC 6761's `.test` only."""
        switched = [
            name for name in type(self).model_fields if name.startswith("test_") and getattr(self, name)
        ]
        if switched and not self.hostname.endswith(".test"):
            raise ValueError(
                f"{', '.join(switched)}: a switch of tests needs a MAILYARD_HOSTNAME that ends with .test"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic-settings passes all by name
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values given in code go before the environment; nothing else is read."""
        return init_settings, EnvironmentSource(settings_cls, CommonSettings.model_fields)


def variables(settings: type[CommonSettings]) -> Mapping[str, str]:
    """Return the variable of every field, for messages and for the generated reference."""
    prefix = settings.model_config["env_prefix"]
    return {name: variable_of(name, prefix, CommonSettings.model_fields) for name in settings.model_fields}


def settings_class(service: str) -> type[CommonSettings]:
    """Return the settings class of a service: the one in the module `settings` beside the `main` of its command."""
    (command,) = entry_points(group="console_scripts", name=f"mailyard-{service}")
    module = importlib.import_module(command.module.removesuffix(".main") + ".settings")
    (found,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, CommonSettings)
        and value.__module__ == module.__name__
    ]
    return found


def renamed_variables(settings: type[CommonSettings]) -> Iterator[tuple[str, Renamed]]:
    """Yield each old name of a variable, with the present name of the variable."""
    names = variables(settings)
    for name, field in settings.model_fields.items():
        yield from ((names[name], renamed) for renamed in renames_of(field))


def old_variables_in_use(settings: type[CommonSettings]) -> Iterator[tuple[str, Renamed]]:
    """Yield each old name that is set in the environment, with the name to use instead."""
    for variable, renamed in renamed_variables(settings):
        if renamed.old in os.environ or f"{renamed.old}_FILE" in os.environ:
            yield variable, renamed


def unknown_variables(settings: type[CommonSettings]) -> list[str]:
    """Return the variables that begin with MAILYARD_ and belong to no setting here and to no other program."""
    prefix = settings.model_config["env_prefix"]
    known = {*variables(settings).values(), *(renamed.old for _, renamed in renamed_variables(settings))}
    return unclaimed(known | {f"{name}_FILE" for name in known}, prefix)


def load_settings(settings: type[SettingsType]) -> SettingsType:
    """Read and check the environment; print every problem and exit with 78 when there is one."""
    try:
        return settings()
    except ValidationError as error:
        _refuse(settings, [_problem(settings, dict(each)) for each in error.errors(include_url=False)])
    except BadEnvironment as problem:
        _refuse(settings, list(problem.lines))


def _problem(settings: type[CommonSettings], error: dict[str, Any]) -> str:
    """Write one error of pydantic with the variable that causes it; the value of a secret is never shown."""
    name = str(error["loc"][0]) if error["loc"] else ""
    field = settings.model_fields.get(name)
    said = error["msg"].removeprefix("Value error, ")
    if field is None:
        return f"{name or 'settings'}: {said}"
    given = "" if field.annotation is SecretStr else f" (it is {_shown(error['input'])})"
    if error["type"] == "missing":
        given = ""
    variable = set_variable(field, variables(settings)[name])
    return f"{variable}: {said}{given}. Meaning: {field.description}"


def _shown(given: Any) -> str:
    """Write a value as a person sets it: a list with commas."""
    if isinstance(given, list | tuple):
        return repr(",".join(str(each) for each in given))
    return repr(given)


def _refuse(settings: type[CommonSettings], lines: list[str]) -> NoReturn:
    """Print what to change, and exit. Where logs are JSON, one line of JSON says the same, for searches in logs."""
    if os.environ.get("MAILYARD_LOG_FORMAT", "").strip() != "console":
        service = (
            settings.model_config["env_prefix"]
            .removeprefix("MAILYARD_")
            .rstrip("_")
            .lower()
            .replace("_", "-")
        )
        event = {
            "error": "; ".join(lines),
            "event": "service.start_failed",
            "level": "error",
            "at": now_utc().isoformat().replace("+00:00", "Z"),
            "service": service,
        }
        print(json.dumps(event), file=sys.stderr)  # noqa: T201  # logs need settings
    print("Mailyard cannot start, the settings are wrong:", file=sys.stderr)  # noqa: T201  # logs need settings
    for line in lines:
        print(f"  {line}", file=sys.stderr)  # noqa: T201
    print("Fix the variables above and start again; see docs/settings.md.", file=sys.stderr)  # noqa: T201
    raise SystemExit(EX_CONFIG)
