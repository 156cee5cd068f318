"""`mailyard grant`: permissions of accounts to send as another address of their tenant, or on behalf of it."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import OfOwner
from mailyard.cli.session import Session, perform
from mailyard.directory.grantchange import GrantChange
from mailyard.directory.grants import Grant, GrantKind
from mailyard.directory.names import mail_address
from mailyard.runtime.clock import now_utc

app = typer.Typer(
    no_args_is_help=True,
    help="Manage permissions to send as another address of the tenant, or on behalf of it.\n\nA change is in force"
    " within 10 seconds.",
)

COLUMNS = (
    Column("account", "Account"),
    Column("address", "Address"),
    Column("kind", "Kind"),
    Column("tenant", "Tenant"),
)
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account that may send.")]
AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="The address that it may use: an account's, or an alias.")
]


@app.command()
def add(
    context: typer.Context,
    account: AccountArgument,
    address: AddressArgument,
    *,
    kind: Annotated[
        GrantKind,
        typer.Option(
            help="send-as: the address may stand in MAIL FROM and all originator fields. send-on-behalf: only in From,"
            " with a Sender field that names the account."
        ),
    ] = GrantKind.SEND_AS,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Let an account send as an address, or on behalf of it. It replaces an earlier grant for the address."""

    async def added(session: Session) -> Grant:
        owner = await session.owner_of(mail_address(account), tenant)
        await session.prepared()
        return await _change(session).add(owner, account, address, kind)

    show([_record(account, perform(context, added))], COLUMNS, as_json=as_json)


@app.command("list")
def list_all(
    context: typer.Context, account: AccountArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """List the addresses that an account may use by grants."""

    async def found(session: Session) -> list[Grant]:
        owner = await session.owner_of(mail_address(account), tenant)
        return list(await _change(session).list(owner, account))

    show([_record(account, each) for each in perform(context, found)], COLUMNS, as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    account: AccountArgument,
    address: AddressArgument,
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Remove a grant."""

    async def removed(session: Session) -> Grant:
        owner = await session.owner_of(mail_address(account), tenant)
        return await _change(session).remove(owner, account, address)

    show([_record(account, perform(context, removed))], COLUMNS, as_json=as_json)


def _change(session: Session) -> GrantChange:
    return GrantChange(session.store, session.directory, now_utc)


def _record(account: str, grant: Grant) -> Record:
    return {
        "account": str(mail_address(account)),
        "address": str(grant.address),
        "kind": grant.kind.value,
        "tenant": grant.tenant,
    }
