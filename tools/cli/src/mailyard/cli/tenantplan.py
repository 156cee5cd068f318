"""Options and output for the plans of tenants: limits, weight, reseller, and what is promised and used."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from bson import ObjectId

from mailyard.cli.listing import Column, Record
from mailyard.cli.session import Session
from mailyard.directory.model import Tenant, TenantKind
from mailyard.directory.plan import MAX_WEIGHT, Resource, Share
from mailyard.directory.sizes import octets
from mailyard.mailbox.quota import usage_of

_AT_ONCE = 1_000
NONE = "none"
SHARES = (
    Column("resource", "Limit of"),
    Column("limit", "Limit"),
    Column("promised", "Promised"),
    Column("used", "Used"),
)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is not a number: write 10, or none for no limit")
    return int(text)


def _size(text: str) -> int:
    try:
        return octets(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, or none for no limit") from None


Domains = Annotated[
    str | None, typer.Option("--domains", metavar="NUMBER", help="Most domains; none: no limit.")
]
Accounts = Annotated[
    str | None, typer.Option("--accounts", metavar="NUMBER", help="Most accounts; none: no limit.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="SIZE",
        help="Most octets of the quotas of all accounts together, such as 100G. Each account needs a quota then;"
        " none: no limit.",
    ),
]
MessagesPerDay = Annotated[
    str | None,
    typer.Option(
        "--messages-per-day",
        metavar="NUMBER",
        help="Most messages that may be sent in a day; none: no limit.",
    ),
]
Weight = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", min=1, max=MAX_WEIGHT, help="Share of the work when many tenants have mail waiting."
    ),
]
Overpromise = Annotated[
    bool | None,
    typer.Option(
        "--overpromise/--no-overpromise",
        help="Let a reseller promise its customers more than it has. What they use stays within its limits.",
    ),
]
Parent = Annotated[
    str | None, typer.Option("--parent", metavar="SLUG", help="The reseller whose customer the tenant is.")
]
Language = Annotated[
    str | None, typer.Option("--language", metavar="TAG", help="Language of mail to its people, such as de.")
]
RetentionDays = Annotated[
    str | None,
    typer.Option(
        "--retention-days",
        metavar="DAYS",
        help="Days for which the mail of removed accounts is kept: the policy field removed_mail_days.",
    ),
]


def limits_of(
    domains: str | None, accounts: str | None, storage: str | None, messages_per_day: str | None
) -> dict[Resource, int | None]:
    """Return the limits that were given on the command line; None removes one."""
    given = {
        Resource.DOMAINS: (domains, _number),
        Resource.ACCOUNTS: (accounts, _number),
        Resource.STORAGE: (storage, _size),
        Resource.MESSAGES: (messages_per_day, _number),
    }
    return {
        resource: None if text == NONE else read(text)
        for resource, (text, read) in given.items()
        if text is not None
    }


async def share_records(session: Session, tenant: Tenant) -> list[Record]:
    """Return a record for each limit, and one for the octets in the mailboxes."""
    shares = await session.directory.pool.shares(tenant.id)
    records = [_record(tenant, share) for share in shares]
    stored: Record = {"resource": "stored_bytes", "limit": None, "promised": None}
    return [*records, {**stored, "used": await _stored(session, tenant)}]


def _record(tenant: Tenant, share: Share) -> Record:
    is_reseller = tenant.kind is TenantKind.RESELLER
    promised = "no limit" if share.promised is None else share.promised
    return {
        "resource": share.resource.value,
        "limit": share.limit,
        "promised": promised if is_reseller else None,
        "used": share.used,
    }


async def _stored(session: Session, tenant: Tenant) -> int:
    """Add up the octets in the mailboxes of a tenant, or of the customers of a reseller."""
    customers = [each.tenant.id for each in await session.directory.tenants.customers(tenant.id)]
    total = 0
    for owner in customers or [tenant.id]:
        ids = [account.id for account in await session.directory.accounts.list(owner)]
        total += await _stored_of(session, ids)
    return total


async def _stored_of(session: Session, ids: Sequence[ObjectId]) -> int:
    total = 0
    for start in range(0, len(ids), _AT_ONCE):
        usages = await usage_of(session.store, ids[start : start + _AT_ONCE])
        total += sum(usage.octets for usage in usages.values())
    return total


def tree_lines(tenants: Sequence[Tenant], domains: Mapping[str, Sequence[str]]) -> list[str]:
    """Draw provider, resellers, customers and domains as an indented list."""
    lines = ["provider"]
    for top in (each for each in tenants if not each.parent):
        lines += _branch(top, domains, "  ")
        for customer in (each for each in tenants if each.parent == top.id):
            lines += _branch(customer, domains, "    ")
    return lines


def _branch(tenant: Tenant, domains: Mapping[str, Sequence[str]], indent: str) -> list[str]:
    status = "" if tenant.status.may_send else f" ({tenant.status})"
    names = [f"{indent}  {name}" for name in domains.get(tenant.id, ())]
    return [f"{indent}{tenant.kind} {tenant.id}{status}", *names]
