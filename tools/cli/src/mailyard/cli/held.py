"""`mailyard held`: mail that a limit of sending holds, the decision about it, and limits of single accounts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import Named, OfOwner
from mailyard.cli.removing import confirmed
from mailyard.cli.session import Refused, Session, perform
from mailyard.directory.accesswatch import POLL_SECONDS
from mailyard.directory.names import mail_address
from mailyard.directory.sending.meter import EXCHANGE_SECONDS
from mailyard.directory.sending.rates import Rates
from mailyard.directory.sending.rows import Sender, SendingRows, SubjectKind
from mailyard.runtime.clock import now_utc
from mailyard.spool.queue.held import PORTION, Held

app = typer.Typer(
    no_args_is_help=True, help="Show held mail, release or discard it, and set limits of accounts."
)

COLUMNS = (
    Column("tenant", "Tenant"),
    Column("held", "Whose mail"),
    Column("messages", "Messages"),
    Column("recipients", "Recipients"),
    Column("since", "Since"),
    Column("reason", "Reason"),
)
MESSAGES = (
    Column("id", "Spool id"),
    Column("accepted_at", "Accepted"),
    Column("sender", "From"),
    Column("recipients", "To"),
    Column("bytes", "Bytes"),
    Column("client", "Client"),
    Column("reason", "Reason"),
)
DECIDED = (Column("tenant", "Tenant"), Column("account", "Account"), Column("messages", "Messages"))
LIMITS = (Column("account", "Account"), Column("recipients", "Recipients"), Column("jump", "Jumps are held"))
# Every smtp-in has learned within this time that mail of a sender is no longer held, or that a session must end.
_LEARNED_SECONDS = 3 * EXCHANGE_SECONDS
_ENDED_SECONDS = 2 * POLL_SECONDS + 1

Address = Annotated[str | None, typer.Argument(metavar="[ADDRESS]", help="Only mail of this account.")]
All = Annotated[bool, typer.Option("--all", help="Mail of all tenants.")]
Block = Annotated[
    bool,
    typer.Option("--block", help="First suspend the account: its open sessions end, and logins are refused."),
]
Decide = Callable[[Held, str, str, datetime], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class _Scope:
    """Whose mail a decision is about; `account` is empty for all accounts of the tenant."""

    tenant: str
    account: str = ""
    address: str = ""


@app.command("list")
def list_all(context: typer.Context, tenant: Named = None, as_json: AsJson = False) -> None:
    """List the accounts whose mail is held, and domains and tenants that exceeded a limit."""

    async def found(session: Session) -> list[Record]:
        return [
            record for each in await session.tenants(tenant) for record in await _records_of(session, each)
        ]

    show(perform(context, found), COLUMNS, as_json=as_json)


@app.command("show")
def show_account(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The account.")],
    *,
    tenant: OfOwner = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many messages to show.")] = 100,
    after: Annotated[str, typer.Option(metavar="SPOOL-ID", help="Show the messages after this one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the held messages of an account, the oldest first."""

    async def found(session: Session) -> list[Record]:
        scope = await _of_account(session, address, tenant)
        messages = await Held(session.store).list(scope.tenant, scope.account, limit, after)
        return [
            {
                "id": each.id,
                "accepted_at": each.accepted_at,
                "sender": each.sender,
                "recipients": list(each.recipients),
                "bytes": each.octets,
                "client": each.client,
                "reason": each.reason,
            }
            for each in messages
        ]

    show(perform(context, found), MESSAGES, as_json=as_json)


@app.command()
def release(
    context: typer.Context,
    address: Address = None,
    *,
    tenant: OfOwner = None,
    everything: All = False,
    block: Block = False,
    as_json: AsJson = False,
) -> None:
    """Release held mail of an account, a tenant or all; it is sent in the order of acceptance. Counts begin at 0."""

    async def decide(held: Held, owner: str, account: str, now: datetime) -> int:
        return await held.release(owner, account, now)

    given = (address, tenant, everything)
    _decide(context, given, decide, yes=True, block=block, learn=not block, as_json=as_json)


@app.command()
def discard(
    context: typer.Context,
    address: Address = None,
    *,
    tenant: OfOwner = None,
    everything: All = False,
    block: Block = False,
    bounce: Annotated[
        bool, typer.Option("--bounce", help="Report to the senders that their messages were refused.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm. Without this option nothing is changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Discard held mail of an account, a tenant or all. It cannot be brought back."""

    async def decide(held: Held, owner: str, account: str, now: datetime) -> int:
        return await held.discard(owner, account, now, bounce=bounce)

    given = (address, tenant, everything)
    _decide(context, given, decide, yes=yes, block=block, learn=False, as_json=as_json)


@app.command()
def limit(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The account.")],
    *,
    tenant: OfOwner = None,
    recipients: Annotated[
        str | None,
        typer.Option(metavar="LIMIT", help="Such as 500/minute, 2000/hour, 5000/day, or none: no limit."),
    ] = None,
    jump: Annotated[
        bool | None, typer.Option("--jump/--no-jump", help="Whether a jump over its usual rate is held.")
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Limit it as the policy says again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the limits of an account that differ from its policy, or set them."""
    if default and (recipients is not None or jump is not None):
        raise typer.BadParameter("use --default alone")
    if recipients is not None:
        try:
            recipients = str(Rates.parse(recipients))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    async def changed(session: Session) -> Record:
        scope = await _of_account(session, address, tenant)
        sender = Sender(SubjectKind.ACCOUNT, scope.account, scope.tenant, scope.address)
        rows = SendingRows(session.store)
        before = next(iter(await rows.entry_rows([sender.key])), None)
        own, looked = (before.recipients, before.jump) if before is not None and not default else (None, None)
        own = own if recipients is None else recipients
        looked = looked if jump is None else jump
        if default or recipients is not None or jump is not None:
            await rows.set_exception(sender, own, looked)
        return {
            "account": scope.address,
            "recipients": own or "as the policy says",
            "jump": looked is not False,
        }

    show([perform(context, changed)], LIMITS, as_json=as_json)


async def _records_of(session: Session, tenant: str) -> list[Record]:
    """Return held mail by account, and marks without held mail."""
    marks = {row.sender.key: row for row in await SendingRows(session.store).holds(tenant)}
    records: list[Record] = []
    for each in await Held(session.store).summary(tenant):
        mark = marks.pop(f"{SubjectKind.ACCOUNT}/{each.account}", None)
        records.append(
            {
                "tenant": tenant,
                "held": each.login or each.account,
                "messages": each.messages,
                "recipients": each.recipients,
                "since": each.oldest,
                "reason": mark.hold.reason if mark is not None and mark.hold is not None else each.reason,
            }
        )
    for mark in marks.values():
        if mark.hold is not None:
            sender = mark.sender
            records.append(
                {
                    "tenant": tenant,
                    "held": sender.address or f"{sender.kind} {sender.name}",
                    "messages": 0,
                    "recipients": 0,
                    "since": mark.hold.since,
                    "reason": mark.hold.reason,
                }
            )
    return records


async def _of_account(session: Session, address: str, tenant: str | None) -> _Scope:
    """Find an account, also a removed one whose mail is held. Raises NotFound, Refused."""
    parsed = mail_address(address)
    owner = await session.owner_of(parsed, tenant)
    account = await session.directory.accounts.get(owner, parsed)
    if account is not None:
        return _Scope(owner, str(account.id), str(account.address))
    for each in await Held(session.store).summary(owner):
        if each.account and mail_address(each.login).key == parsed.key:
            return _Scope(owner, each.account, each.login)
    raise Refused(f"the tenant {owner} has no account {parsed}, and no mail of it is held")


def _decide(
    context: typer.Context,
    given: tuple[str | None, str | None, bool],
    decide: Decide,
    *,
    yes: bool,
    block: bool,
    learn: bool,
    as_json: bool,
) -> None:
    address, tenant, everything = given
    if (address is None and tenant is None) is not everything:
        raise typer.BadParameter("name an ADDRESS, or use --tenant or --all")
    if block and address is None:
        raise typer.BadParameter("--block needs an ADDRESS")

    async def decided(session: Session) -> list[Record]:
        scopes = await _scopes(session, address, tenant)
        confirmed(yes, "the held mail would be discarded")
        if block and address is not None:
            await session.suspension.suspend_account(scopes[0].tenant, address)
            await asyncio.sleep(_ENDED_SECONDS)
        counts = [await _decide_all(session, scope, decide) for scope in scopes]
        keys = [await _clear(session, scope, learn=learn) for scope in scopes]
        if any(keys):
            # What was accepted before every smtp-in had learned it is held too.
            await asyncio.sleep(_LEARNED_SECONDS)
            counts = [
                count + await _decide_all(session, scope, decide)
                for count, scope in zip(counts, scopes, strict=True)
            ]
        return [
            {"tenant": scope.tenant, "account": scope.address or None, "messages": count}
            for scope, count in zip(scopes, counts, strict=True)
            if count or not everything
        ]

    show(perform(context, decided), DECIDED, as_json=as_json)


async def _scopes(session: Session, address: str | None, tenant: str | None) -> list[_Scope]:
    if address is not None:
        return [await _of_account(session, address, tenant)]
    return [_Scope(each) for each in await session.tenants(tenant)]


async def _decide_all(session: Session, scope: _Scope, decide: Decide) -> int:
    """Decide portion after portion; the times of the portions follow one another."""
    held, total, now = Held(session.store), 0, now_utc()
    while count := await decide(held, scope.tenant, scope.account, now):
        total += count
        now = max(now_utc(), now + timedelta(milliseconds=PORTION))
    return total


async def _clear(session: Session, scope: _Scope, *, learn: bool) -> int:
    """Hold no longer what was marked; return how many marks there were."""
    rows = SendingRows(session.store)
    keys = [
        row.sender.key
        for row in await rows.holds(scope.tenant)
        if not scope.account or row.sender.key == f"{SubjectKind.ACCOUNT}/{scope.account}"
    ]
    if keys:
        await rows.clear(scope.tenant, keys, learn=learn)
    return len(keys)
