"""`mailyard domain`: the domains that Mailyard accepts mail for."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import DomainArgument, Named, OfOwner, owner_of
from mailyard.cli.policy import of_domains
from mailyard.cli.removing import KeepDays, Yes, confirmed, kept
from mailyard.cli.session import Session, perform
from mailyard.directory.directory import Directory
from mailyard.directory.model import Domain, Expansion
from mailyard.directory.names import display_domain
from mailyard.message.address import Address

app = typer.Typer(no_args_is_help=True, help="Manage the domains that Mailyard accepts mail for.")
app.add_typer(of_domains, name="policy")

COLUMNS = (
    Column("domain", "Domain"),
    Column("unicode", "In Unicode"),
    Column("tenant", "Tenant"),
    Column("status", "Status"),
    Column("catch_all", "Catch-all"),
)
CatchAll = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address that receives mail for unknown recipients.")
]


@app.command()
def add(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="DOMAIN", help="The domain name, in Unicode or with A-labels.")
    ],
    tenant: Annotated[str, typer.Option(metavar="SLUG", help="The tenant that owns the domain.")],
    catch_all: CatchAll = "",
    as_json: AsJson = False,
) -> None:
    """Add a domain to a tenant, and show who receives mail for postmaster@ and abuse@."""

    async def added(session: Session) -> tuple[Domain, str]:
        domain = await (await session.prepared()).add_domain(tenant, name, catch_all)
        return domain, await _postmaster_of(session, domain)

    domain, postmaster = perform(context, added)
    show([_record(domain)], COLUMNS, as_json=as_json)
    if not as_json:
        typer.echo(f"postmaster@{domain.name} and abuse@{domain.name}: {postmaster}")


@app.command("list")
def list_all(context: typer.Context, tenant: Named = None, as_json: AsJson = False) -> None:
    """List domains, of one tenant or of all."""

    async def domains(session: Session) -> list[Domain]:
        tenants = await session.tenants(tenant)
        return [each for owner in tenants for each in await session.directory.domains.list(owner)]

    show([_record(each) for each in perform(context, domains)], COLUMNS, as_json=as_json)


@app.command("set")
def change(
    context: typer.Context,
    name: DomainArgument,
    *,
    tenant: OfOwner = None,
    catch_all: CatchAll = "",
    no_catch_all: Annotated[
        bool, typer.Option("--no-catch-all", help="Refuse mail for unknown recipients.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change who receives mail for unknown recipients of a domain."""
    if bool(catch_all) == no_catch_all:
        raise typer.BadParameter("use one of --catch-all and --no-catch-all")

    async def changed(session: Session) -> Domain:
        owner = await owner_of(session, name, tenant)
        return await session.directory.set_catch_all(owner, name, catch_all)

    show([_record(perform(context, changed))], COLUMNS, as_json=as_json)


@app.command()
def suspend(
    context: typer.Context, name: DomainArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """Suspend a domain: mail for it and logins to its accounts are refused, open sessions end within 5 seconds."""

    async def suspended(session: Session) -> Domain:
        return await session.suspension.suspend_domain(await owner_of(session, name, tenant), name)

    show([_record(perform(context, suspended))], COLUMNS, as_json=as_json)


@app.command()
def resume(
    context: typer.Context, name: DomainArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """Resume a suspended domain. Accounts that were suspended one by one stay suspended."""

    async def resumed(session: Session) -> Domain:
        return await session.suspension.resume_domain(await owner_of(session, name, tenant), name)

    show([_record(perform(context, resumed))], COLUMNS, as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    name: DomainArgument,
    *,
    tenant: OfOwner = None,
    with_accounts: Annotated[
        bool, typer.Option("--with-accounts", help="Also remove its accounts and aliases.")
    ] = False,
    keep_days: KeepDays = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a domain. The mail of its accounts is deleted after --keep-days days."""

    async def removed(session: Session) -> Domain:
        owner = await owner_of(session, name, tenant)
        await session.removal.check_domain(owner, name, with_accounts=with_accounts)
        confirmed(yes, f"the domain {name} and all its accounts and aliases would be removed")
        return await session.removal.remove_domain(owner, name, kept(keep_days), with_accounts=with_accounts)

    show([{**_record(perform(context, removed)), "status": "removed"}], COLUMNS, as_json=as_json)


async def _postmaster_of(session: Session, domain: Domain) -> str:
    """Return who receives mail for postmaster and abuse now."""
    directory = Directory(session.store, postmaster=session.postmaster)
    found = await directory.resolve(Address("postmaster", domain.name))
    if isinstance(found, Expansion):
        reached = [str(found.account.address)] if found.account else [str(each) for each in found.targets]
        return (
            f"received by {', '.join(reached)}; change it with mailyard tenant set {domain.tenant} --contact"
        )
    return "received by the first account that is added; change it with mailyard tenant set --contact"


def _record(domain: Domain) -> Record:
    return {
        "domain": domain.name,
        "unicode": display_domain(domain.name),
        "tenant": domain.tenant,
        "status": domain.status.value,
        "catch_all": str(domain.catch_all) if domain.catch_all else None,
    }
