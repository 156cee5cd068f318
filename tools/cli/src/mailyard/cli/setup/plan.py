"""A setup file: tenants with domains, accounts and aliases, validated before any change.

Contact, status, name and quota apply to new entries; existing entries are not changed.

tenants:
  - id: acme
    name: Acme Ltd.
    contact: anna@acme.example
    status: active
    domains: [acme.example]
    accounts:
      - {address: anna@acme.example, passwordFile: anna.password, name: Anna, quota: 5G, status: active}
    aliases:
      - {address: info@acme.example, targets: [anna@acme.example]}
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from mailyard.directory.errors import Invalid
from mailyard.directory.model import AccountStatus, TenantStatus
from mailyard.directory.names import domain_name, mail_address, tenant_slug
from mailyard.directory.sizes import octets


class BadPlan(Exception):
    """The file cannot be used; the text has a line for each problem."""


def _checked(check: Callable[[str], object]) -> AfterValidator:
    def valid(text: str) -> str:
        try:
            check(text)
        except Invalid as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(valid)


def _octets(given: object) -> object:
    """Read a size as the command line does."""
    if not isinstance(given, str):
        return given
    return octets(given)


Slug = Annotated[str, _checked(tenant_slug)]
DomainName = Annotated[str, _checked(domain_name)]
MailAddress = Annotated[str, _checked(mail_address)]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class AccountPlan(_Part):
    """An account; its password is read only when the account is new. A relative path begins at the setup file."""

    address: MailAddress
    password_file: Path
    name: str = ""
    quota: Annotated[int | None, BeforeValidator(_octets), Field(gt=0)] = None
    status: AccountStatus = AccountStatus.ACTIVE


class AliasPlan(_Part):
    """An alias and its targets."""

    address: MailAddress
    targets: Annotated[tuple[MailAddress, ...], Field(min_length=1)]


class TenantPlan(_Part):
    """A customer."""

    id: Slug
    name: str = ""
    contact: MailAddress | None = None
    status: TenantStatus = TenantStatus.ACTIVE
    domains: tuple[DomainName, ...] = ()
    accounts: tuple[AccountPlan, ...] = ()
    aliases: tuple[AliasPlan, ...] = ()


class Plan(_Part):
    """The whole setup file."""

    tenants: tuple[TenantPlan, ...] = ()


def read_plan(file: Path) -> Plan:
    """Read and check a file.

    Raises:
        BadPlan: it cannot be read, or contains an invalid entry.

    """
    try:
        content: Any = yaml.safe_load(file.read_text())
        return Plan.model_validate({} if content is None else content)
    except (OSError, UnicodeDecodeError) as error:
        raise BadPlan(f"cannot read {file}: {error}") from None
    except yaml.YAMLError as error:
        raise BadPlan(f"{file} is not YAML: {error}") from None
    except ValidationError as error:
        problems = [f"{file}: {_path(each['loc'])}: {_problem(each['msg'])}" for each in error.errors()]
        raise BadPlan("\n".join(problems)) from None


def _path(keys: tuple[int | str, ...]) -> str:
    """Write `tenants[0].accounts[1].passwordFile`."""
    steps = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return steps.removeprefix(".") or "the file"


def _problem(text: str) -> str:
    """Return the text of an error without the words of the validator."""
    return text.removeprefix("Value error, ").replace("Extra inputs are not permitted", "unknown key")
