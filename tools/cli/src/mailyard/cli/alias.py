"""`mailyard alias`: addresses that forward to others."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import Named, OfOwner
from mailyard.cli.removing import Yes, confirmed
from mailyard.cli.session import Refused, Session, perform
from mailyard.directory.model import Alias
from mailyard.directory.names import mail_address

app = typer.Typer(
    no_args_is_help=True,
    help="Manage aliases (addresses that forward to others).\n\nAn alias cannot be suspended: remove it, or set other"
    " targets.",
)

COLUMNS = (Column("alias", "Alias"), Column("tenant", "Tenant"), Column("targets", "Targets"))
AliasArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="The alias.")]
Targets = Annotated[list[str], typer.Argument(metavar="TARGET", help="Target addresses, local or external.")]


@app.command()
def add(
    context: typer.Context,
    address: AliasArgument,
    targets: Targets,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Add an alias. Its targets must accept mail and must not make a loop."""

    async def added(session: Session) -> Alias:
        owner = await session.owner_of(mail_address(address), tenant)
        alias = await (await session.prepared()).add_alias(owner, address, targets)
        await _note_targets_of_others(session, alias)
        return alias

    _show(perform(context, added), as_json=as_json)


@app.command("list")
def list_all(context: typer.Context, tenant: Named = None, as_json: AsJson = False) -> None:
    """List aliases, of one tenant or of all."""

    async def aliases(session: Session) -> list[Alias]:
        tenants = await session.tenants(tenant)
        return [each for owner in tenants for each in await session.directory.addresses.list_aliases(owner)]

    show([_record(each) for each in perform(context, aliases)], COLUMNS, as_json=as_json)


@app.command("set")
def change(
    context: typer.Context,
    address: AliasArgument,
    targets: Targets,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Replace all targets of an alias."""
    _show(perform(context, lambda session: _set(session, address, tenant, targets)), as_json=as_json)


@app.command()
def add_target(
    context: typer.Context,
    address: AliasArgument,
    targets: Targets,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Add targets to an alias."""

    async def changed(session: Session) -> Alias:
        alias = await _existing(session, address, tenant)
        return await _set(session, address, tenant, [*map(str, alias.targets), *targets])

    _show(perform(context, changed), as_json=as_json)


@app.command()
def remove_target(
    context: typer.Context,
    address: AliasArgument,
    targets: Targets,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Remove targets from an alias. The last target stays: to remove it, remove the alias."""

    async def changed(session: Session) -> Alias:
        alias = await _existing(session, address, tenant)
        gone = {mail_address(target).key for target in targets}
        if absent := gone - {target.key for target in alias.targets}:
            raise Refused(f"the alias {alias.address} has no target {', '.join(sorted(absent))}")
        left = [target for target in alias.targets if target.key not in gone]
        if not left:
            raise Refused(f"no target would be left: use mailyard alias remove {alias.address}")
        await session.directory.addresses.set_targets(alias.tenant, alias.address, left)
        return await session.directory.require_alias(alias.tenant, alias.address)

    _show(perform(context, changed), as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    address: AliasArgument,
    *,
    tenant: OfOwner = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove an alias."""

    async def removed(session: Session) -> Alias:
        alias = await _existing(session, address, tenant)
        confirmed(yes, f"the alias {alias.address} would be removed")
        return await session.removal.remove_alias(alias.tenant, address)

    _show(perform(context, removed), as_json=as_json)


async def _existing(session: Session, address: str, tenant: str | None) -> Alias:
    parsed = mail_address(address)
    return await session.directory.require_alias(await session.owner_of(parsed, tenant), parsed)


async def _set(session: Session, address: str, tenant: str | None, targets: Sequence[str]) -> Alias:
    owner = await session.owner_of(mail_address(address), tenant)
    alias = await session.directory.set_targets(owner, address, targets)
    await _note_targets_of_others(session, alias)
    return alias


async def _note_targets_of_others(session: Session, alias: Alias) -> None:
    """Print a note for each target in another tenant: it is treated like an external one, but may be a mistake."""
    for target, owner in await session.directory.checks.of_others(alias.tenant, alias.targets):
        typer.echo(f"mailyard: note: {target} belongs to tenant {owner}", err=True)


def _show(alias: Alias, *, as_json: bool) -> None:
    show([_record(alias)], COLUMNS, as_json=as_json)


def _record(alias: Alias) -> Record:
    targets = [str(target) for target in alias.targets]
    return {"alias": str(alias.address), "tenant": alias.tenant, "targets": targets}
