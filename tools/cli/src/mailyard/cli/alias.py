"""`mailyard alias`: addresses that stand for others."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Session, perform
from mailyard.cli.tenant import Named, OfOwner
from mailyard.directory.model import Alias
from mailyard.directory.names import mail_address

app = typer.Typer(no_args_is_help=True, help="Aliases: addresses that stand for others.")

COLUMNS = (Column("alias", "Alias"), Column("tenant", "Tenant"), Column("targets", "Targets"))


@app.command()
def add(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="The address.")],
    targets: Annotated[list[str], typer.Argument(help="Whom it stands for, here or elsewhere.")],
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Add an alias."""

    async def added(session: Session) -> Alias:
        owner = await session.owner_of(mail_address(address), tenant)
        return await (await session.prepared()).add_alias(owner, address, targets)

    show([_record(perform(context, added))], COLUMNS, as_json=as_json)


@app.command("list")
def list_all(context: typer.Context, tenant: Named = None, as_json: AsJson = False) -> None:
    """List aliases, of one tenant or of all."""

    async def aliases(session: Session) -> list[Alias]:
        tenants = await session.tenants(tenant)
        return [each for owner in tenants for each in await session.directory.addresses.list_aliases(owner)]

    show([_record(each) for each in perform(context, aliases)], COLUMNS, as_json=as_json)


def _record(alias: Alias) -> Record:
    targets = [str(target) for target in alias.targets]
    return {"alias": str(alias.address), "tenant": alias.tenant, "targets": targets}
