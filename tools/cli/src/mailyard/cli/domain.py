"""`mailyard domain`: what mail is taken for."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Session, perform
from mailyard.cli.tenant import Named
from mailyard.directory.model import Domain

app = typer.Typer(no_args_is_help=True, help="Domains: mail for them is taken.")

COLUMNS = (
    Column("domain", "Domain"),
    Column("tenant", "Tenant"),
    Column("status", "Status"),
    Column("catch_all", "Catch-all"),
)


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The domain name; international names are welcome.")],
    tenant: Annotated[str, typer.Option(help="Whose domain it is.")],
    catch_all: Annotated[str, typer.Option(help="The address that gets what nobody claims.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a domain to a tenant."""

    async def added(session: Session) -> Domain:
        return await (await session.prepared()).add_domain(tenant, name, catch_all)

    show([_record(perform(context, added))], COLUMNS, as_json=as_json)


@app.command("list")
def list_all(context: typer.Context, tenant: Named = None, as_json: AsJson = False) -> None:
    """List domains, of one tenant or of all."""

    async def domains(session: Session) -> list[Domain]:
        tenants = await session.tenants(tenant)
        return [each for owner in tenants for each in await session.directory.domains.list(owner)]

    show([_record(each) for each in perform(context, domains)], COLUMNS, as_json=as_json)


def _record(domain: Domain) -> Record:
    return {
        "domain": domain.name,
        "tenant": domain.tenant,
        "status": domain.status.value,
        "catch_all": str(domain.catch_all) if domain.catch_all else None,
    }
