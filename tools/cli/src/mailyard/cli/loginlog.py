"""`mailyard login-log`: the logins of an account."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mailyard.cli.account import AddressArgument
from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import OfOwner
from mailyard.cli.session import Session, perform
from mailyard.directory.errors import NotFound
from mailyard.directory.loginlog.log import LoggedLogins, LoginLog
from mailyard.directory.names import mail_address

app = typer.Typer(no_args_is_help=True, help="Show who has logged in to an account, and who has tried to.")

COLUMNS = (
    Column("last", "Time"),
    Column("result", "Result"),
    Column("count", "Logins"),
    Column("service", "Service"),
    Column("client", "Client"),
    Column("proof", "Proof"),
    Column("name", "Name"),
)


@app.callback()
def group() -> None:
    """Show who has logged in to an account, and who has tried to."""


@app.command("show")
def show_account(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show so many lines, the latest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the latest logins of an account. Logins that are equal within some time are one line with their number."""

    async def found(session: Session) -> Sequence[LoggedLogins]:
        parsed = mail_address(address)
        owner = await session.owner_of(parsed, tenant)
        account = await session.directory.accounts.get(owner, parsed)
        if account is None:
            raise NotFound(f"tenant {owner} has no account {parsed}")
        return await LoginLog(session.store).of_account(owner, str(account.id), limit)

    show([_record(each) for each in perform(context, found)], COLUMNS, as_json=as_json)


def _record(logins: LoggedLogins) -> Record:
    line = logins.line
    return {
        "at": logins.at,
        "last": logins.last,
        "result": line.result,
        "count": logins.count,
        "service": line.service,
        "client": line.client,
        "proof": line.proof,
        "name": line.name,
    }
