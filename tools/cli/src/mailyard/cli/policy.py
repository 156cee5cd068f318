"""`mailyard tenant policy` and `mailyard domain policy`: the values in which a tenant or a domain differs from the installation."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import DomainArgument, OfOwner, SlugArgument, owner_of
from mailyard.cli.session import Session, perform
from mailyard.directory.policy import DomainPolicy, TenantPolicy, entries

of_tenants = typer.Typer(
    no_args_is_help=True, help="Show or change the policy of a tenant: limits and rules of its own."
)
of_domains = typer.Typer(
    no_args_is_help=True,
    help="Show or change the policy of a domain, which takes precedence over its tenant's.",
)
COLUMNS = (
    Column("field", "Field"),
    Column("value", "Value"),
    Column("set_by", "Set by"),
    Column("about", "Meaning"),
)


def _help(kind: type[TenantPolicy]) -> str:
    fields = "\n\n".join(f"{name}: {entry.about}" for name, entry in entries(kind).items())
    return f"Change fields of a policy: NAME=VALUE sets one, NAME= removes it.\n\n{fields}"


Changes = Annotated[
    list[str],
    typer.Argument(metavar="NAME=VALUE...", help="Fields with their new values; no value removes one."),
]


@of_tenants.command("show")
def show_tenant(context: typer.Context, slug: SlugArgument, as_json: AsJson = False) -> None:
    """Show the policy of a tenant, with the values of its reseller's policy."""

    async def shown(session: Session) -> list[Record]:
        return await _tenant_records(session, slug)

    show(perform(context, shown), COLUMNS, as_json=as_json)


@of_tenants.command("set", help=_help(TenantPolicy))
def set_tenant(context: typer.Context, slug: SlugArgument, changes: Changes, as_json: AsJson = False) -> None:
    """Change the policy of a tenant."""
    wanted = _parsed(changes)

    async def changed(session: Session) -> list[Record]:
        await session.policies.set_tenant(slug, wanted)
        return await _tenant_records(session, slug)

    show(perform(context, changed), COLUMNS, as_json=as_json)


@of_domains.command("show")
def show_domain(
    context: typer.Context, name: DomainArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """Show the policy of a domain, with the values of its tenant's and its reseller's policy."""

    async def shown(session: Session) -> list[Record]:
        return await _domain_records(session, name, tenant)

    show(perform(context, shown), COLUMNS, as_json=as_json)


@of_domains.command("set", help=_help(DomainPolicy))
def set_domain(
    context: typer.Context,
    name: DomainArgument,
    changes: Changes,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Change the policy of a domain."""
    wanted = _parsed(changes)

    async def changed(session: Session) -> list[Record]:
        await session.policies.set_domain(await owner_of(session, name, tenant), name, wanted)
        return await _domain_records(session, name, tenant)

    show(perform(context, changed), COLUMNS, as_json=as_json)


async def _domain_records(session: Session, name: str, tenant: str | None) -> list[Record]:
    levels = await session.policies.of_domain(await owner_of(session, name, tenant), name)
    return _records(
        DomainPolicy, {"domain": levels.domain, "tenant": levels.tenant, "reseller": levels.reseller}
    )


async def _tenant_records(session: Session, slug: str) -> list[Record]:
    levels = await session.policies.levels_of_tenant(slug)
    return _records(TenantPolicy, {"tenant": levels.tenant, "reseller": levels.reseller})


def _records(kind: type[TenantPolicy], levels: Mapping[str, Mapping[str, str]]) -> list[Record]:
    """One record for each field, with the value of the first level that has one."""
    found: list[Record] = []
    for name, entry in entries(kind).items():
        level = next((level for level, texts in levels.items() if name in texts), None)
        value = levels[level][name] if level is not None else None
        found.append({"field": name, "value": value, "set_by": level or "installation", "about": entry.about})
    return found


def _parsed(changes: Sequence[str]) -> dict[str, str]:
    for change in changes:
        if "=" not in change:
            raise typer.BadParameter(f"{change!r} is not NAME=VALUE")
    return {name: value for name, _, value in (change.partition("=") for change in changes)}
