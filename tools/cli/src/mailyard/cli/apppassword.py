"""`mailyard app-password`: secrets that open an account for some protocols, each removed by itself."""

from datetime import timedelta
from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import OfOwner
from mailyard.cli.removing import Yes, confirmed
from mailyard.cli.session import Session, perform
from mailyard.directory.apppasswordchange import AppPasswordChange
from mailyard.directory.apppasswords import AppPassword, LoginScope
from mailyard.directory.names import mail_address
from mailyard.runtime.clock import now_utc

app = typer.Typer(
    no_args_is_help=True,
    help="Manage app passwords of accounts, for single programs and devices.\n\nmailyard account set --main-password-off"
    " makes them the only way in for a protocol.",
)

COLUMNS = (
    Column("account", "Account"),
    Column("name", "Name"),
    Column("scopes", "Scopes"),
    Column("networks", "Networks"),
    Column("expires_at", "Expires"),
    Column("last_used_at", "Last used"),
    Column("last_address", "From"),
)
PASSWORD = Column("password", "Password")
AccountArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="The account.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the program or the device.")]


@app.command()
def add(
    context: typer.Context,
    address: AccountArgument,
    name: NameArgument,
    *,
    tenant: OfOwner = None,
    scope: Annotated[
        list[LoginScope], typer.Option(help="A protocol that it opens; may be repeated. Default: all.")
    ] = [*LoginScope],  # noqa: B006  # typer copies it
    network: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="A network that may use it; may be repeated. Default: all."),
    ] = None,
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days after which it expires. Default: never.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Generate an app password and print it. It is shown only now."""

    async def added(session: Session) -> tuple[AppPassword, str]:
        owner = await session.owner_of(mail_address(address), tenant)
        await session.prepared()
        expires_at = None if expires_days is None else now_utc() + timedelta(days=expires_days)
        return await _change(session).add(
            owner, address, name, scope, networks=network or (), expires_at=expires_at
        )

    made, secret = perform(context, added)
    show([{**_record(address, made), "password": secret}], (*COLUMNS[:5], PASSWORD), as_json=as_json)


@app.command("list")
def list_all(
    context: typer.Context, address: AccountArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """List the app passwords of an account, with their last use."""

    async def found(session: Session) -> list[AppPassword]:
        owner = await session.owner_of(mail_address(address), tenant)
        return list(await _change(session).list(owner, address))

    show([_record(address, each) for each in perform(context, found)], COLUMNS, as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    address: AccountArgument,
    name: NameArgument,
    *,
    tenant: OfOwner = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove an app password. Its open sessions end within 5 seconds; others of the account go on."""

    async def removed(session: Session) -> AppPassword:
        owner = await session.owner_of(mail_address(address), tenant)
        confirmed(yes, f"the app password {name} of {address} would be removed")
        return await _change(session).remove(owner, address, name)

    show([_record(address, perform(context, removed))], COLUMNS, as_json=as_json)


def _change(session: Session) -> AppPasswordChange:
    return AppPasswordChange(session.store, session.directory, now_utc)


def _record(address: str, found: AppPassword) -> Record:
    return {
        "account": str(mail_address(address)),
        "name": found.name,
        "scopes": sorted(found.scopes),
        "networks": list(found.networks) or None,
        "expires_at": found.expires_at,
        "last_used_at": found.last_used_at,
        "last_address": found.last_address or None,
        "created_at": found.created_at,
        "id": str(found.id),
    }
