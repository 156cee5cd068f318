"""`mailyard tenant`: customers."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Session, perform
from mailyard.directory.model import Tenant

app = typer.Typer(no_args_is_help=True, help="Customers: each owns domains.")

COLUMNS = (Column("tenant", "Tenant"), Column("name", "Name"))
Named = Annotated[str | None, typer.Option("--tenant", help="Only this tenant.")]
OfOwner = Annotated[str | None, typer.Option("--tenant", help="The tenant; else the owner of the domain.")]


@app.command()
def add(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Its id: a-z, 0-9 and inner hyphens; it never changes.")],
    name: Annotated[str, typer.Option(help="How people call it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a tenant."""

    async def added(session: Session) -> Tenant:
        return await (await session.prepared()).add_tenant(slug, name)

    show([_record(perform(context, added))], COLUMNS, as_json=as_json)


@app.command("list")
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List all tenants."""
    tenants = perform(context, lambda session: session.directory.tenants.list())
    show([_record(tenant) for tenant in tenants], COLUMNS, as_json=as_json)


def _record(tenant: Tenant) -> Record:
    return {"tenant": tenant.id, "name": tenant.name}
