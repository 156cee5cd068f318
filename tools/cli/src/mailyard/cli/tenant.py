"""`mailyard tenant`: customers and resellers."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show, show_json
from mailyard.cli.owner import SlugArgument
from mailyard.cli.policy import of_tenants
from mailyard.cli.removing import KeepDays, Yes, confirmed, kept
from mailyard.cli.session import Refused, Session, perform
from mailyard.cli.tenantplan import (
    NONE,
    SHARES,
    Accounts,
    Domains,
    Language,
    MessagesPerDay,
    Overpromise,
    Parent,
    RetentionDays,
    Storage,
    Weight,
    limits_of,
    share_records,
    tree_lines,
)
from mailyard.directory.model import Tenant, TenantKind, worse_of
from mailyard.directory.names import display_domain
from mailyard.directory.plan import COUNTED, NO_LIMITS, Plan
from mailyard.directory.pool import Correction

app = typer.Typer(no_args_is_help=True, help="Manage tenants: customers, which own domains, and resellers.")
app.add_typer(of_tenants, name="policy")

COLUMNS = (
    Column("tenant", "Tenant"),
    Column("kind", "Kind"),
    Column("parent", "Reseller"),
    Column("name", "Name"),
    Column("status", "Status"),
    Column("contact", "Contact"),
)
CORRECTIONS = (
    Column("tenant", "Tenant"),
    Column("resource", "Limit of"),
    Column("before", "Before"),
    Column("after", "After"),
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
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="Display name.")] = "",
    contact: Contact = "",
    reseller: Annotated[
        bool, typer.Option("--reseller", help="It divides its limits among customers, and owns no domains.")
    ] = False,
    parent: Parent = None,
    domains: Domains = None,
    accounts: Accounts = None,
    storage: Storage = None,
    messages_per_day: MessagesPerDay = None,
    weight: Weight = None,
    overpromise: Overpromise = None,
    retention_days: RetentionDays = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Add a tenant: a customer, or a reseller."""
    limits = limits_of(domains, accounts, storage, messages_per_day)

    async def added(session: Session) -> Tenant:
        tenant = await (await session.prepared()).add_tenant(
            slug,
            name,
            contact,
            kind=TenantKind.RESELLER if reseller else TenantKind.CUSTOMER,
            parent=parent or "",
            plan=Plan(NO_LIMITS.with_changes(limits), weight or 1, overpromise or False),
            language=language or "",
        )
        await _set_retention(session, slug, retention_days)
        return tenant

    show([_record(perform(context, added))], COLUMNS, as_json=as_json)


@app.command("list")
def list_all(
    context: typer.Context,
    parent: Annotated[
        str | None, typer.Option("--parent", metavar="SLUG", help="Only the customers of this reseller.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List all tenants."""
    tenants = perform(context, lambda session: session.directory.tenants.list())
    show([_record(tenant) for tenant in tenants if parent in (None, tenant.parent)], COLUMNS, as_json=as_json)


@app.command("show")
def show_one(context: typer.Context, slug: SlugArgument, as_json: AsJson = False) -> None:
    """Show a tenant with its limits, and what of them is promised and used."""

    async def found(session: Session) -> tuple[Record, list[Record]]:
        tenant = await session.directory.require_tenant(slug)
        reseller = await session.directory.require_tenant(tenant.parent) if tenant.parent else tenant
        levels = await session.policies.levels_of_tenant(slug)
        days = levels.in_force().policy.removed_mail_days
        record: Record = {
            **_record(tenant),
            "status_in_force": worse_of(tenant.status, reseller.status).value,
            "weight": tenant.plan.weight,
            "overpromise": tenant.plan.overpromise,
            "language": tenant.language or None,
            "retention_days": days,
        }
        return record, await share_records(session, tenant)

    record, shares = perform(context, found)
    if as_json:
        show_json({**record, "limits": shares})
        return
    for key, value in record.items():
        typer.echo(f"{key.replace('_', ' ')}: {'-' if value is None else value}")
    show(shares, SHARES, as_json=False)


@app.command()
def tree(context: typer.Context) -> None:
    """Show resellers, their customers, and the domains of each."""

    async def lines(session: Session) -> list[str]:
        tenants = await session.directory.tenants.list()
        domains = {
            each.id: [display_domain(domain.name) for domain in await session.directory.domains.list(each.id)]
            for each in tenants
        }
        return tree_lines(tenants, domains)

    for line in perform(context, lines):
        typer.echo(line)


@app.command()
def audit(
    context: typer.Context,
    slug: Annotated[str | None, typer.Argument(metavar="SLUG", help="Only this tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count domains, accounts and quotas anew, and correct what the limits are compared with."""

    async def corrected(session: Session) -> list[Correction]:
        pool = session.directory.pool
        return [each for owner in await session.tenants(slug) for each in await pool.audit(owner)]

    records: list[Record] = [
        {
            "tenant": each.tenant,
            "resource": resource.value,
            "before": each.before.of(resource) if each.before else None,
            "after": each.after.of(resource),
        }
        for each in perform(context, corrected)
        for resource in COUNTED
        if each.before is None or each.before.of(resource) != each.after.of(resource)
    ]
    show(records, CORRECTIONS, as_json=as_json)


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
    parent: Parent = None,
    no_parent: Annotated[
        bool, typer.Option("--no-parent", help="Make it a customer of the provider itself.")
    ] = False,
    domains: Domains = None,
    accounts: Accounts = None,
    storage: Storage = None,
    messages_per_day: MessagesPerDay = None,
    weight: Weight = None,
    overpromise: Overpromise = None,
    retention_days: RetentionDays = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant: name, contact, plan, reseller."""
    if contact is not None and no_contact:
        raise typer.BadParameter("use only one of --contact and --no-contact")
    if parent is not None and no_parent:
        raise typer.BadParameter("use only one of --parent and --no-parent")
    limits = limits_of(domains, accounts, storage, messages_per_day)
    given = (name, contact, parent, weight, overpromise, retention_days, language)
    if not (limits or no_contact or no_parent or any(each is not None for each in given)):
        raise typer.BadParameter("nothing to change: use --name, --contact, --no-contact or a limit")

    async def changed(session: Session) -> Tenant:
        tenant = await session.directory.set_tenant(
            slug,
            name=name,
            contact="" if no_contact else contact,
            parent="" if no_parent else parent,
            limits=limits,
            weight=weight,
            overpromise=overpromise,
            language=language,
        )
        await _set_retention(session, slug, retention_days)
        return tenant

    show([_record(perform(context, changed))], COLUMNS, as_json=as_json)


@app.command()
def suspend(
    context: typer.Context,
    slug: SlugArgument,
    *,
    sending: Annotated[
        bool,
        typer.Option(
            "--sending", help="Only refuse what its accounts submit (550 5.7.1); they receive and read on."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Suspend a tenant: mail for its domains and logins to its accounts are refused, open sessions end within 5 seconds.

    A reseller is suspended with all its customers.
    """

    async def suspended(session: Session) -> Tenant:
        if sending:
            return await session.suspension.stop_sending(slug)
        return await session.suspension.suspend_tenant(slug)

    show([_record(perform(context, suspended))], COLUMNS, as_json=as_json)


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


async def _set_retention(session: Session, slug: str, days: str | None) -> None:
    if days is not None:
        await session.policies.set_tenant(slug, {"removed_mail_days": "" if days == NONE else days})


def _record(tenant: Tenant) -> Record:
    return {
        "tenant": tenant.id,
        "kind": tenant.kind.value,
        "parent": tenant.parent or None,
        "name": tenant.name,
        "status": tenant.status.value,
        "contact": str(tenant.contact) if tenant.contact else None,
    }
