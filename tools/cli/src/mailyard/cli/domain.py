"""`mailyard domain`: the domains that Mailyard accepts mail for."""

from typing import Annotated

import typer

from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import DomainArgument, Named, OfOwner, owner_of
from mailyard.cli.policy import of_domains
from mailyard.cli.removing import KeepDays, Yes, confirmed, kept
from mailyard.cli.session import Refused, Session, perform
from mailyard.directory.directory import Directory
from mailyard.directory.model import Domain, Expansion
from mailyard.directory.names import display_domain, domain_name
from mailyard.directory.ownership import proves, record_name, record_text
from mailyard.dns.answer import DnsFailure
from mailyard.dns.resolver import DnsOptions, DnsResolver
from mailyard.message.address import Address
from mailyard.runtime.endpoint import Endpoint

app = typer.Typer(no_args_is_help=True, help="Manage the domains that Mailyard accepts mail for.")
app.add_typer(of_domains, name="policy")

COLUMNS = (
    Column("domain", "Domain"),
    Column("unicode", "In Unicode"),
    Column("tenant", "Tenant"),
    Column("status", "Status"),
    Column("catch_all", "Catch-all"),
    Column("alias_of", "Alias of"),
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
    *,
    catch_all: CatchAll = "",
    alias_of: Annotated[
        str,
        typer.Option(
            metavar="DOMAIN",
            help="A domain of the same tenant, whose addresses answer under the new name too.",
        ),
    ] = "",
    verified: Annotated[
        bool | None,
        typer.Option(
            "--verified/--unverified",
            help="Whether the domain takes mail at once, or only after mailyard domain verify. Default:"
            " MAILYARD_VERIFY_DOMAINS.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a domain to a tenant, and show who receives mail for postmaster@ and abuse@."""

    async def added(session: Session) -> tuple[Domain, str]:
        directory = await session.prepared()
        is_verified = not session.settings.verify_domains if verified is None else verified
        domain = await directory.add_domain(tenant, name, catch_all, alias_of=alias_of, verified=is_verified)
        return domain, await _postmaster_of(session, domain)

    domain, postmaster = perform(context, added)
    show([_record(domain)], COLUMNS, as_json=as_json)
    if as_json:
        return
    if domain.is_verified:
        typer.echo(f"postmaster@{domain.name} and abuse@{domain.name}: {postmaster}")
    else:
        typer.echo(
            f"Publish this record, then use mailyard domain verify {domain.name}:\n{_zone_line(domain)}"
        )


@app.command()
def verify(
    context: typer.Context,
    name: DomainArgument,
    *,
    tenant: OfOwner = None,
    dns: Annotated[
        Endpoint | None,
        typer.Option(
            parser=parse_endpoint,
            metavar=HOST_PORT,
            help="Ask this DNS server. Default: those of this machine.",
        ),
    ] = None,
    without_dns: Annotated[
        bool, typer.Option("--without-dns", help="Vouch for the domain: do not ask the DNS.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for the token of an unverified domain in its DNS; with it the domain takes mail within 10 seconds."""

    async def verified(session: Session) -> Domain:
        owner = await owner_of(session, name, tenant)
        domain = await session.directory.require_domain(owner, domain_name(name))
        if not domain.is_verified and not without_dns:
            await _require_token(domain, dns)
        return await session.directory.verify_domain(owner, domain.name)

    show([_record(perform(context, verified))], COLUMNS, as_json=as_json)


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


async def _require_token(domain: Domain, server: Endpoint | None) -> None:
    """Ask the DNS for the token. Raises Refused, with the record that is missing."""
    options = DnsOptions() if server is None else DnsOptions([server.host], server.port)
    answer = await DnsResolver(options).resolve(record_name(domain.name), "TXT")
    if answer is DnsFailure.UNANSWERED:
        raise Refused(f"no DNS server answers for {record_name(domain.name)}: try again later")
    texts = () if isinstance(answer, DnsFailure) else answer.records
    if not proves(texts, domain.verification):
        found = f"it has {', '.join(texts)}" if texts else "there is none"
        raise Refused(f"the DNS does not show this record yet ({found}):\n{_zone_line(domain)}")


def _zone_line(domain: Domain) -> str:
    return f'{record_name(domain.name)}. 3600 IN TXT "{record_text(domain.verification)}"'


def _record(domain: Domain) -> Record:
    return {
        "domain": domain.name,
        "unicode": display_domain(domain.name),
        "tenant": domain.tenant,
        "status": domain.status.value,
        "catch_all": str(domain.catch_all) if domain.catch_all else None,
        "alias_of": domain.alias_of or None,
        "verification": None if domain.is_verified else record_text(domain.verification),
    }
