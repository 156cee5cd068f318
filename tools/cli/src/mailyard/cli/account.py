"""`mailyard account`: accounts, which log in and have mailboxes."""

from typing import Annotated

import typer
from bson import ObjectId

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import Named, OfOwner
from mailyard.cli.removing import KeepDays, Yes, confirmed, kept
from mailyard.cli.secret import FromFile, FromStdin, Generate, HashFromStdin, Password, chosen_password
from mailyard.cli.session import Session, perform
from mailyard.directory.apppasswordchange import AppPasswordChange
from mailyard.directory.apppasswords import LoginScope
from mailyard.directory.model import Account, AccountStatus
from mailyard.directory.names import domain_name, mail_address
from mailyard.directory.sizes import octets
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.quota import Usage, usage_of
from mailyard.runtime.clock import now_utc

app = typer.Typer(no_args_is_help=True, help="Manage accounts: a mail address, a password, mailboxes.")

COLUMNS = (
    Column("account", "Account"),
    Column("name", "Name"),
    Column("tenant", "Tenant"),
    Column("status", "Status"),
    Column("quota_bytes", "Quota (bytes)"),
    Column("id", "Id"),
)
REMOVED_COLUMNS = (
    Column("account", "Account"),
    Column("tenant", "Tenant"),
    Column("removed_at", "Removed"),
    Column("purge_at", "Mail kept until"),
    Column("id", "Id"),
)
PASSWORD = Column("password", "Password")
LISTED = (*COLUMNS[:-1], Column("used_bytes", "Used (bytes)"), COLUMNS[-1])
_USAGES_AT_ONCE = 1_000


def _size(text: str) -> int:
    """Read a size on the command line."""
    try:
        return octets(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="The mail address, which is also the login name.")
]
Quota = Annotated[
    int | None,
    typer.Option(parser=_size, metavar="SIZE", help="Largest size of all its mailboxes together: 500M, 5G."),
]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the person or machine.")]


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    quota: Quota = None,
    name: Name = None,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    password_hash_stdin: HashFromStdin = False,
    generate: Generate = False,
    as_json: AsJson = False,
) -> None:
    """Add an account with its mailboxes."""
    password = chosen_password(
        stdin=password_stdin, file=password_file, generate=generate, hash_stdin=password_hash_stdin
    )

    async def added(session: Session) -> Account:
        owner = await session.owner_of(mail_address(address), tenant)
        directory = await session.prepared()
        account = await directory.add_account(owner, address, password.secret, quota, name or "")
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
    password_hash_stdin: HashFromStdin = False,
    generate: Generate = False,
    as_json: AsJson = False,
) -> None:
    """Change an account's password. Open sessions end within 5 seconds."""
    password = chosen_password(
        stdin=password_stdin, file=password_file, generate=generate, hash_stdin=password_hash_stdin
    )

    async def changed(session: Session) -> Account | None:
        parsed = mail_address(address)
        owner = await session.owner_of(parsed, tenant)
        await session.directory.set_password(owner, address, password.secret)
        return await session.directory.accounts.get(owner, parsed)

    account = perform(context, changed)
    if account is not None:
        _show_with_password(account, password, as_json=as_json)


@app.command("list")
def list_all(
    context: typer.Context,
    *,
    tenant: Named = None,
    domain: Annotated[str | None, typer.Option(metavar="DOMAIN", help="Only this domain.")] = None,
    status: Annotated[AccountStatus | None, typer.Option(help="Only accounts with this status.")] = None,
    removed: Annotated[
        bool, typer.Option("--removed", help="List removed accounts whose mail is still kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List accounts, of one tenant or of all, with the size of their mailboxes."""
    if removed:
        records = perform(context, lambda session: _removed(session, tenant))
        show(records, REMOVED_COLUMNS, as_json=as_json)
        return
    name = domain_name(domain) if domain is not None else None

    async def accounts(session: Session) -> list[Record]:
        tenants = await session.tenants(tenant)
        found = [
            each
            for owner in tenants
            for each in await session.logins.list(owner)
            if name in (None, each.address.domain) and status in (None, each.status)
        ]
        used: dict[ObjectId, Usage] = {}
        for start in range(0, len(found), _USAGES_AT_ONCE):
            some = [each.id for each in found[start : start + _USAGES_AT_ONCE]]
            used |= await usage_of(session.store, some)
        return [{**_record(each), "used_bytes": used[each.id].octets} for each in found]

    show(perform(context, accounts), LISTED, as_json=as_json)


@app.command("set")
def change(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    quota: Quota = None,
    no_quota: Annotated[bool, typer.Option("--no-quota", help="Remove the quota.")] = False,
    name: Name = None,
    main_password_off: Annotated[
        list[LoginScope] | None,
        typer.Option(help="A protocol that only app passwords open; may be repeated. Open sessions end."),
    ] = None,
    main_password_on: Annotated[
        bool, typer.Option("--main-password-on", help="The main password opens all protocols again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change an account's quota or name, or the protocols that its main password opens."""
    if quota is not None and no_quota:
        raise typer.BadParameter("use only one of --quota and --no-quota")
    if main_password_off and main_password_on:
        raise typer.BadParameter("use only one of --main-password-off and --main-password-on")
    sets_protocols = bool(main_password_off) or main_password_on
    if quota is None and not no_quota and name is None and not sets_protocols:
        raise typer.BadParameter(
            "nothing to change: use --quota, --no-quota, --name, --main-password-off or --main-password-on"
        )
    if quota == 0:
        raise typer.BadParameter("a quota must be greater than zero; --no-quota removes it")

    async def changed(session: Session) -> Account:
        owner = await session.owner_of(mail_address(address), tenant)
        if sets_protocols:
            change = AppPasswordChange(session.store, session.directory, now_utc)
            await change.set_main_password_off(owner, address, main_password_off or ())
        return await session.directory.set_account(
            owner, address, name=name, quota_bytes=0 if no_quota else quota
        )

    show([_record(perform(context, changed))], COLUMNS, as_json=as_json)


@app.command()
def suspend(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    refuse_mail: Annotated[
        bool,
        typer.Option(
            "--refuse-mail", help="Also refuse mail for the account (550 5.2.1). Its status is then disabled."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Suspend an account: logins are refused and open sessions end within 5 seconds. It still receives mail."""

    async def suspended(session: Session) -> Account:
        owner = await session.owner_of(mail_address(address), tenant)
        return await session.suspension.suspend_account(owner, address, refuse_mail=refuse_mail)

    show([_record(perform(context, suspended))], COLUMNS, as_json=as_json)


@app.command()
def resume(
    context: typer.Context, address: AddressArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """Resume a suspended or disabled account: it can log in and receives mail again."""

    async def resumed(session: Session) -> Account:
        owner = await session.owner_of(mail_address(address), tenant)
        return await session.suspension.resume_account(owner, address)

    show([_record(perform(context, resumed))], COLUMNS, as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    address: AddressArgument,
    *,
    tenant: OfOwner = None,
    keep_days: KeepDays = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove an account. Its address can be used again at once. Its mail is deleted after --keep-days days."""

    async def removed(session: Session) -> Account:
        parsed = mail_address(address)
        owner = await session.owner_of(parsed, tenant)
        await session.removal.check_account(owner, address)
        days = (await session.removal.mail_is_kept(parsed.domain, kept(keep_days))).days
        confirmed(yes, f"the account {parsed} would be removed and its mail deleted in {days} days")
        return await session.removal.remove_account(owner, address, kept(keep_days))

    show([{**_record(perform(context, removed)), "status": "removed"}], COLUMNS, as_json=as_json)


@app.command()
def restore(
    context: typer.Context, address: AddressArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """Restore a removed account with its password and mail, while the mail is kept."""

    async def restored(session: Session) -> Account:
        owner = await session.owner_of(mail_address(address), tenant)
        return await session.removal.restore_account(owner, address)

    show([_record(perform(context, restored))], COLUMNS, as_json=as_json)


async def _removed(session: Session, tenant: str | None) -> list[Record]:
    tenants = await session.tenants(tenant)
    return [
        {
            "account": str(each.address),
            "tenant": each.tenant,
            "removed_at": each.removed_at,
            "purge_at": each.purge_at,
            "id": str(each.id),
        }
        for owner in tenants
        for each in await session.removal.removed.list(owner)
    ]


def _show_with_password(account: Account, password: Password, *, as_json: bool) -> None:
    """Show an account, with its password if that was generated: it is not stored in clear."""
    if password.generated:
        show([{**_record(account), "password": password.text}], (*COLUMNS, PASSWORD), as_json=as_json)
    else:
        show([_record(account)], COLUMNS, as_json=as_json)


def _record(account: Account) -> Record:
    return {
        "account": str(account.address),
        "name": account.name or None,
        "tenant": account.tenant,
        "status": account.status.value,
        "quota_bytes": account.quota_bytes,
        "main_password_off": list(account.main_password_off) or None,
        "id": str(account.id),
    }
