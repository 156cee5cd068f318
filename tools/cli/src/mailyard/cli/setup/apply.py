"""Add the missing entries of a setup file to the directory; existing entries are not changed.

Two runs at once do no harm: the second one finds the entries of the first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailyard.cli.secret import first_line
from mailyard.cli.session import Refused
from mailyard.cli.setup.plan import AccountPlan, AliasPlan, Plan, TenantPlan
from mailyard.directory.errors import AlreadyExists, DirectoryError, Invalid
from mailyard.directory.model import Account, AccountStatus, Alias
from mailyard.directory.names import domain_name, mail_address
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.suspension import Suspension
from mailyard.mailbox.mailboxes import Mailboxes


class Applier:
    """One run; `say` gets one line for each tenant, domain, account and alias. Raises Refused, Unavailable."""

    def __init__(
        self,
        directory: Provisioning,
        suspension: Suspension,
        mailboxes: Mailboxes,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._suspension = suspension
        self._new: set[str] = set()  # accounts that this run has added
        self._mailboxes = mailboxes
        self._folder = folder
        self._say = say

    async def apply(self, plan: Plan) -> None:
        """Do all of it, tenant by tenant. Aliases come last: their targets must exist."""
        for number, tenant in enumerate(plan.tenants):
            with _named(number):
                await self._tenant(tenant)
        await self._aliases(
            [
                (number, tenant.id, each)
                for number, tenant in enumerate(plan.tenants)
                for each in tenant.aliases
            ]
        )
        for number, tenant in enumerate(plan.tenants):
            with _named(number):
                await self._disable_new(tenant)

    async def _tenant(self, plan: TenantPlan) -> None:
        try:
            await self._directory.add_tenant(plan.id, plan.name, plan.contact or "", plan.status)
            self._say(f"tenant {plan.id}: added")
        except AlreadyExists:
            self._say(f"tenant {plan.id}: exists already")
        for domain in plan.domains:
            await self._domain(plan.id, domain)
        for account in plan.accounts:
            await self._account(plan.id, account)

    async def _aliases(self, plans: list[tuple[int, str, AliasPlan]]) -> None:
        """Add aliases in an order that their targets permit; refuse those whose targets do not exist."""
        while plans:
            left = []
            for number, tenant, plan in plans:
                try:
                    await self._alias(tenant, plan)
                except Invalid:
                    left.append((number, tenant, plan))
                except DirectoryError as error:
                    raise Refused(f"tenants[{number}]: {error}") from None
            if len(left) == len(plans):
                number, tenant, plan = left[0]
                with _named(number):
                    await self._alias(tenant, plan)
            plans = left

    async def _disable_new(self, plan: TenantPlan) -> None:
        """Disable new accounts last: an alias of a disabled account would be refused. They are suspended until then."""
        for account in plan.accounts:
            if account.address in self._new and account.status is AccountStatus.DISABLED:
                await self._suspension.suspend_account(plan.id, account.address, refuse_mail=True)

    async def _domain(self, tenant: str, name: str) -> None:
        try:
            await self._directory.add_domain(tenant, name)
            self._say(f"domain {name}: added")
        except AlreadyExists:
            if await self._directory.domains.get(tenant, domain_name(name)) is None:
                raise
            self._say(f"domain {name}: exists already")

    async def _account(self, tenant: str, plan: AccountPlan) -> None:
        account = await self._existing(tenant, plan.address)
        if account is None:
            account = await self._new_account(tenant, plan)
        else:
            self._say(f"account {plan.address}: exists already; its password is not changed")
        await self._mailboxes.ensure_defaults(account.id)

    async def _new_account(self, tenant: str, plan: AccountPlan) -> Account:
        password = self._password(plan)
        active = plan.status is AccountStatus.ACTIVE
        status = AccountStatus.ACTIVE if active else AccountStatus.SUSPENDED
        try:
            account = await self._directory.add_account(
                tenant, plan.address, password, plan.quota, plan.name, status=status
            )
            self._new.add(plan.address)
        except AlreadyExists:
            other = await self._existing(tenant, plan.address)  # added since the look-up
            if other is None:
                raise
            account = other
        self._say(f"account {plan.address}: added")
        return account

    async def _existing(self, tenant: str, address: str) -> Account | None:
        return await self._directory.accounts.get(tenant, mail_address(address))

    def _password(self, plan: AccountPlan) -> str:
        file = self._folder / plan.password_file
        try:
            return first_line(file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"the password of {plan.address} cannot be read: {error}") from None

    async def _alias(self, tenant: str, plan: AliasPlan) -> None:
        try:
            await self._directory.add_alias(tenant, plan.address, plan.targets)
            self._say(f"alias {plan.address}: added")
        except AlreadyExists:
            self._say(f"alias {plan.address}: {await self._kept(tenant, plan)}")

    async def _kept(self, tenant: str, plan: AliasPlan) -> str:
        """Return the note on an existing alias: it may have been changed on purpose, so it is not changed."""
        found = await self._alias_of(tenant, plan.address)
        if found is None:
            raise AlreadyExists(f"the address {plan.address} is taken")
        if [each.key for each in found.targets] == [mail_address(target).key for target in plan.targets]:
            return "exists already"
        return f"exists already and is not changed; its targets are {', '.join(map(str, found.targets))}"

    async def _alias_of(self, tenant: str, address: str) -> Alias | None:
        key = mail_address(address).key
        found = (await self._directory.addresses.entry_by_keys([key])).get(key)
        return found if isinstance(found, Alias) and found.tenant == tenant else None


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Add the position of the tenant in the file to an error."""
    try:
        yield
    except DirectoryError as error:
        raise Refused(f"tenants[{number}]: {error}") from None
