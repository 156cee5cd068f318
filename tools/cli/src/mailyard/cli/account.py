"""`mailyard account`: who may log in and has mailboxes."""

import re
from typing import Annotated

import typer
from bson import ObjectId

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.secret import FromFile, FromStdin, Generate, Password, chosen_password
from mailyard.cli.session import Session, perform
from mailyard.cli.tenant import Named, OfOwner
from mailyard.directory.model import Account
from mailyard.directory.names import mail_address
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.quota import Usage, usage_of

app = typer.Typer(no_args_is_help=True, help="Accounts: a mail address, a password, mailboxes.")

COLUMNS = (
    Column("account", "Account"),
    Column("tenant", "Tenant"),
    Column("status", "Status"),
    Column("quota_bytes", "Quota (bytes)"),
    Column("id", "Id"),
)
PASSWORD = Column("password", "Password")
LISTED = (*COLUMNS[:-1], Column("used_bytes", "Used (bytes)"), COLUMNS[-1])
_USAGES_AT_ONCE = 1_000
_SIZE = re.compile(r"(\d+)([KMGT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def octets(text: str) -> int:
    """Read a size: a number, with K, M, G or T for powers of 1024."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a size: write 500M or 5G")
    return int(found[1]) * _UNITS[found[2].upper()]


AddressArgument = Annotated[str, typer.Argument(help="Its mail address, the login name.")]


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    quota: Annotated[
        int | None,
        typer.Option(
            parser=octets, metavar="SIZE", help="What its mailboxes may hold: 500M, 5G; no limit without it."
        ),
    ] = None,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    generate: Generate = False,
    as_json: AsJson = False,
) -> None:
    """Add an account with its mailboxes."""
    password = chosen_password(stdin=password_stdin, file=password_file, generate=generate)

    async def added(session: Session) -> Account:
        owner = await session.owner_of(mail_address(address), tenant)
        directory = await session.prepared()
        account = await directory.add_account(owner, address, password.text, quota)
        await Mailboxes(session.store).ensure_defaults(account.id)
        return account

    _show_with_password(perform(context, added), password, as_json=as_json)


@app.command()
def passwd(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    generate: Generate = False,
    as_json: AsJson = False,
) -> None:
    """Change an account's password."""
    password = chosen_password(stdin=password_stdin, file=password_file, generate=generate)

    async def changed(session: Session) -> Account | None:
        parsed = mail_address(address)
        owner = await session.owner_of(parsed, tenant)
        await session.directory.set_password(owner, address, password.text)
        return await session.directory.accounts.get(owner, parsed)

    account = perform(context, changed)
    if account is not None:
        _show_with_password(account, password, as_json=as_json)


@app.command("list")
def list_all(context: typer.Context, tenant: Named = None, as_json: AsJson = False) -> None:
    """List accounts, of one tenant or of all, with what their mailboxes hold."""

    async def accounts(session: Session) -> list[Record]:
        tenants = await session.tenants(tenant)
        found = [each for owner in tenants for each in await session.directory.accounts.list(owner)]
        used: dict[ObjectId, Usage] = {}
        for start in range(0, len(found), _USAGES_AT_ONCE):
            some = [each.id for each in found[start : start + _USAGES_AT_ONCE]]
            used |= await usage_of(session.store, some)
        return [{**_record(each), "used_bytes": used[each.id].octets} for each in found]

    show(perform(context, accounts), LISTED, as_json=as_json)


def _show_with_password(account: Account, password: Password, *, as_json: bool) -> None:
    """A generated password is shown this once; any other one the person knows."""
    if password.generated:
        show([{**_record(account), "password": password.text}], (*COLUMNS, PASSWORD), as_json=as_json)
    else:
        show([_record(account)], COLUMNS, as_json=as_json)


def _record(account: Account) -> Record:
    return {
        "account": str(account.address),
        "tenant": account.tenant,
        "status": account.status.value,
        "quota_bytes": account.quota_bytes,
        "id": str(account.id),
    }
