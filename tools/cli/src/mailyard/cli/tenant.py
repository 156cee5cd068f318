"""`mailyard tenant`: customers."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import SlugArgument
from mailyard.cli.policy import of_tenants
from mailyard.cli.removing import KeepDays, Yes, confirmed, kept
from mailyard.cli.session import Refused, Session, perform
from mailyard.directory.model import Tenant

app = typer.Typer(no_args_is_help=True, help="Manage tenants (customers). Each owns domains.")
app.add_typer(of_tenants, name="policy")

COLUMNS = (
    Column("tenant", "Tenant"),
    Column("name", "Name"),
    Column("status", "Status"),
    Column("contact", "Contact"),
)
Contact = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Address that receives mail for postmaster@ and abuse@ of the tenant's domains.",
    ),
]


@app.command()
def add(
    context: typer.Context,
    slug: Annotated[
        str, typer.Argument(metavar="SLUG", help="The id: a-z, 0-9 and inner hyphens. It cannot be changed.")
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="Display name.")] = "",
    contact: Contact = "",
    as_json: AsJson = False,
) -> None:
    """Add a tenant."""

    async def added(session: Session) -> Tenant:
        return await (await session.prepared()).add_tenant(slug, name, contact)

    show([_record(perform(context, added))], COLUMNS, as_json=as_json)


@app.command("list")
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List all tenants."""
    tenants = perform(context, lambda session: session.directory.tenants.list())
    show([_record(tenant) for tenant in tenants], COLUMNS, as_json=as_json)


@app.command("set")
def change(
    context: typer.Context,
    slug: SlugArgument,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Display name.")] = None,
    contact: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address that receives mail for postmaster@ and abuse@."),
    ] = None,
    no_contact: Annotated[bool, typer.Option("--no-contact", help="Remove the contact.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's name or contact."""
    if contact is not None and no_contact:
        raise typer.BadParameter("use only one of --contact and --no-contact")
    if name is None and contact is None and not no_contact:
        raise typer.BadParameter("nothing to change: use --name, --contact or --no-contact")

    async def changed(session: Session) -> Tenant:
        return await session.directory.set_tenant(slug, name=name, contact="" if no_contact else contact)

    show([_record(perform(context, changed))], COLUMNS, as_json=as_json)


@app.command()
def suspend(context: typer.Context, slug: SlugArgument, as_json: AsJson = False) -> None:
    """Suspend a tenant: mail for its domains and logins to its accounts are refused, open sessions end within 5 seconds."""
    tenant = perform(context, lambda session: session.suspension.suspend_tenant(slug))
    show([_record(tenant)], COLUMNS, as_json=as_json)


@app.command()
def resume(context: typer.Context, slug: SlugArgument, as_json: AsJson = False) -> None:
    """Resume a suspended tenant. Domains and accounts that were suspended one by one stay suspended."""
    tenant = perform(context, lambda session: session.suspension.resume_tenant(slug))
    show([_record(tenant)], COLUMNS, as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    slug: SlugArgument,
    *,
    with_domains: Annotated[
        bool, typer.Option("--with-domains", help="Also remove its domains, accounts and aliases.")
    ] = False,
    keep_days: KeepDays = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a tenant. The mail of its accounts is deleted after --keep-days days."""

    async def removed(session: Session) -> Tenant:
        tenant = await session.directory.require_tenant(slug)
        domains = await session.directory.domains.list(slug)
        if domains and not with_domains:
            raise Refused(f"the tenant {slug} has {len(domains)} domains: --with-domains removes them too")
        confirmed(yes, f"the tenant {slug}, {len(domains)} domains and all their accounts would be removed")
        return await session.removal.remove_tenant(tenant.id, kept(keep_days), with_domains=with_domains)

    show([{**_record(perform(context, removed)), "status": "removed"}], COLUMNS, as_json=as_json)


def _record(tenant: Tenant) -> Record:
    return {
        "tenant": tenant.id,
        "name": tenant.name,
        "status": tenant.status.value,
        "contact": str(tenant.contact) if tenant.contact else None,
    }
