"""Withdrawn access: remembered logins and open sessions end in every process that polls."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from pymongo.monitoring import CommandListener
from structlog.testing import capture_logs

from mailyard.directory.accesslog import AccessLog, Action, News, Scope, Subject
from mailyard.directory.accesswatch import AccessWatch
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.errors import NotFound
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.model import AccountStatus, DomainStatus, LocalAccount, TenantStatus, Unknown
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removal import Removal
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction

ANNA = "anna@example.org"
DISABLED = Refusal(RefusalReason.ACCOUNT_DISABLED)
BAD = Refusal(RefusalReason.BAD_CREDENTIALS)
MONTH = timedelta(days=30)


@dataclass
class Process:
    """A process that logs people in, with caches and sessions of its own."""

    store: Store
    directory: Directory = field(init=False)
    watch: AccessWatch = field(init=False)
    authenticator: Authenticator = field(init=False)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory = Directory(self.store)
        self.watch = AccessWatch(self.store, self.directory.forget)
        self.authenticator = Authenticator(
            self.store, self.directory, Passwords(HashCost(time=1, memory_kib=8)), access=self.watch
        )

    async def login(self, name: str, password: str) -> Identity | Refusal:
        return await self.authenticator.authenticate(name, password, client_ip="192.0.2.1", service="test")

    async def open(self, name: str, password: str, label: str = "") -> Identity:
        identity = await self.login(name, password)
        assert isinstance(identity, Identity)
        self.watch.open(identity, lambda: self.ended.append(label or name))
        return identity


@pytest.fixture
def pods(example, store: Store) -> tuple[Process, Process]:
    return Process(store), Process(store)


@pytest.fixture
def suspension(example: Provisioning, store: Store) -> Suspension:
    return Suspension(store, example, now_utc)


@pytest.fixture
def removal(example: Provisioning, store: Store, suspension: Suspension) -> Removal:
    return Removal(store, example, suspension, now_utc)


async def poll(pods: tuple[Process, ...]) -> None:
    for pod in pods:
        await pod.watch.poll()


async def test_a_changed_password_ends_sessions_and_remembered_logins_on_every_pod(example, pods):
    for pod in pods:
        await pod.open(ANNA, "correct horse")
        await pod.open("bert@example.org", "battery staple")
    await example.set_password("acme", ANNA, "a new password")
    await poll(pods)
    for pod in pods:
        assert pod.ended == [ANNA]
        assert await pod.login(ANNA, "correct horse") == BAD
        assert isinstance(await pod.login("bert@example.org", "battery staple"), Identity)


async def test_a_session_that_began_with_the_new_password_goes_on(example, pods):
    await example.set_password("acme", ANNA, "a new password")
    await pods[0].open(ANNA, "a new password")
    await poll(pods)
    assert pods[0].ended == []
    assert isinstance(await pods[0].login(ANNA, "a new password"), Identity)


Act = Callable[[Suspension, Removal], Awaitable[object]]
TAKEN_AWAY: dict[str, tuple[Act, Refusal]] = {
    "account suspended": (lambda suspension, _: suspension.suspend_account("acme", ANNA), DISABLED),
    "account disabled": (
        lambda suspension, _: suspension.suspend_account("acme", ANNA, refuse_mail=True),
        DISABLED,
    ),
    "domain suspended": (lambda suspension, _: suspension.suspend_domain("acme", "example.org"), DISABLED),
    "tenant suspended": (lambda suspension, _: suspension.suspend_tenant("acme"), DISABLED),
    "account removed": (lambda _, removal: removal.remove_account("acme", ANNA, MONTH), BAD),
    "domain removed": (
        lambda _, removal: removal.remove_domain("acme", "example.org", MONTH, with_accounts=True),
        BAD,
    ),
    "tenant removed": (lambda _, removal: removal.remove_tenant("acme", MONTH, with_domains=True), BAD),
}


@pytest.mark.parametrize("case", TAKEN_AWAY)
async def test_every_withdrawal_of_access_ends_sessions_and_refuses_logins(pods, suspension, removal, case):
    act, refusal = TAKEN_AWAY[case]
    for pod in pods:
        await pod.open(ANNA, "correct horse")
        await pod.open("carl@other.net", "carl's password")
    await act(suspension, removal)
    await poll(pods)
    for pod in pods:
        assert set(pod.ended) == {ANNA}
        assert await pod.login(ANNA, "correct horse") == refusal
        assert await pod.login(ANNA, "wrong") == BAD
        assert isinstance(await pod.login("carl@other.net", "carl's password"), Identity)


async def test_a_login_does_not_follow_from_a_cached_domain_that_is_older_than_its_suspension(
    pods, suspension
):
    pod = pods[0]
    stale = await pod.directory.domain("example.org")
    await suspension.suspend_domain("acme", "example.org")
    await pod.watch.poll()
    pod.directory._known_domains.put("example.org", stale)  # a query that began before the change
    assert await pod.login(ANNA, "correct horse") == DISABLED


async def test_a_changed_password_does_not_cover_the_suspension_of_the_domain_before_it(
    example, pods, suspension
):
    await pods[0].directory.domain("example.org")
    await suspension.suspend_domain("acme", "example.org")
    await example.set_password("acme", ANNA, "a new password")
    assert await pods[0].login(ANNA, "a new password") == DISABLED


async def test_changes_from_before_the_start_of_a_process_are_not_reported_again(example, store, pods):
    await example.set_password("acme", ANNA, "a new password")
    with capture_logs() as lines:
        await pods[0].watch.poll()
        assert lines == []
        await example.set_password("acme", ANNA, "a newer password")
        await pods[0].watch.poll()
    assert [line["event"] for line in lines] == ["access.ended"]


async def test_what_was_suspended_works_again_after_resume(pods, suspension):
    await pods[0].open(ANNA, "correct horse")
    await suspension.suspend_account("acme", ANNA)
    await suspension.suspend_domain("acme", "example.org")
    await suspension.suspend_tenant("acme")
    await poll(pods)
    assert (await suspension.resume_account("acme", ANNA)).status is AccountStatus.ACTIVE
    assert (await suspension.resume_domain("acme", "example.org")).status is DomainStatus.ACTIVE
    assert await pods[0].login(ANNA, "correct horse") == DISABLED
    assert (await suspension.resume_tenant("acme")).status is TenantStatus.ACTIVE
    await pods[0].open(ANNA, "correct horse", "again")
    await poll(pods)
    assert pods[0].ended == [ANNA]


async def test_a_domain_that_was_removed_and_added_again_lets_its_new_accounts_in(example, pods, removal):
    await removal.remove_tenant("acme", MONTH, with_domains=True)
    await poll(pods)
    await example.add_tenant("acme")
    await example.add_domain("acme", "example.org")
    await example.add_account("acme", ANNA, "another password")
    await pods[0].open(ANNA, "another password")
    await poll(pods)
    assert pods[0].ended == []


async def test_a_password_that_changes_while_it_is_checked_opens_no_lasting_session(example, pods):
    pod = pods[0]
    identity = await pod.login(ANNA, "correct horse")
    assert isinstance(identity, Identity)
    await example.set_password("acme", ANNA, "a new password")
    await poll(pods)
    pod.watch.open(identity, lambda: pod.ended.append("late"))
    await asyncio.sleep(0)
    assert pod.ended == ["late"]


async def test_a_closed_session_is_forgotten(example, pods):
    pod = pods[0]
    identity = await pod.login(ANNA, "correct horse")
    assert isinstance(identity, Identity)
    session = pod.watch.open(identity, lambda: pod.ended.append("closed"))
    pod.watch.close(session)
    pod.watch.close(session)
    await example.set_password("acme", ANNA, "a new password")
    await poll(pods)
    assert (pod.ended, dict(pod.watch._sessions)) == ([], {})


async def test_suspension_is_seen_by_recipients_at_the_next_poll(pods, suspension):
    anna = Address.parse(ANNA)
    assert isinstance(await pods[0].directory.resolve(anna), LocalAccount)
    await suspension.suspend_tenant("acme")
    assert isinstance(await pods[0].directory.resolve(anna), LocalAccount)
    await poll(pods)
    assert await pods[0].directory.resolve(anna) == Unknown("the domain takes no mail now", "5.7.1")


async def test_a_suspended_account_goes_on_receiving_mail_unless_it_was_asked_otherwise(
    pods, suspension, directory
):
    await suspension.suspend_account("acme", ANNA)
    assert isinstance(await pods[0].directory.resolve(Address.parse(ANNA)), LocalAccount)
    await suspension.suspend_account("acme", ANNA, refuse_mail=True)
    assert await pods[1].directory.resolve(Address.parse(ANNA)) == Unknown("the mailbox is disabled", "5.2.1")


class Commands(CommandListener):
    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event) -> None: ...
    def failed(self, event) -> None: ...


async def test_a_poll_is_one_query_by_primary_key_and_looks_at_what_changed_only(
    example, store, mongo_url, database, pods
):
    for n in range(300):
        subject = Subject(Scope.ACCOUNT, f"{n:024x}", "acme")

        async def add(session, subject=subject):
            await AccessLog(store).add(subject, Action.PASSWORD, now_utc(), session)

        await in_transaction(store, add)
    assert await pods[0].watch.poll() is False
    await example.set_password("acme", ANNA, "a new password")
    query = {"find": "access_changes", "filter": {"_id": {"$gt": 300}}, "sort": {"_id": 1}}
    plan = await store.db.command("explain", query, verbosity="executionStats")
    assert plan["executionStats"]["totalDocsExamined"] == 1
    pods[0].watch.open(Identity("x", "y", Address.parse(ANNA)), lambda: None)
    with capture_logs() as lines:
        await pods[0].watch.poll()
        await pods[0].watch.poll()
    assert [line["event"] for line in lines] == ["access.ended"]
    assert (lines[0]["revision"], lines[0]["action"]) == (301, "password")


async def test_many_changes_are_taken_in_portions(store, example, pods):
    rows = [
        {"_id": n, "tenant": "acme", "scope": "account", "subject": f"{n:024x}", "action": "password"}
        for n in range(1, 2502)
    ]
    await store.collection("access_changes").insert_many(rows)
    assert [await pods[0].watch.poll() for _ in range(3)] == [True, True, False]
    assert pods[0].watch.revision == 2501


async def test_changes_made_at_the_same_time_have_an_order_and_none_is_missed(example, store, pods):
    for n in range(12):
        await example.add_account("acme", f"u{n}@example.org", "long enough")
        await pods[0].open(f"u{n}@example.org", "long enough")
    stop = asyncio.Event()

    async def keep_polling() -> None:
        while not stop.is_set():
            await pods[0].watch.poll()
            await asyncio.sleep(0)

    polling = asyncio.create_task(keep_polling())
    await asyncio.gather(
        *(example.set_password("acme", f"u{n}@example.org", "other pass") for n in range(12))
    )
    stop.set()
    await polling
    await pods[0].watch.poll()
    assert sorted(pods[0].ended) == sorted(f"u{n}@example.org" for n in range(12))


async def test_a_change_that_fails_takes_nothing_away(example, store, suspension):
    with pytest.raises(NotFound, match=r"tenant acme has no account nobody@example.org"):
        await suspension.suspend_account("acme", "nobody@example.org")
    with pytest.raises(NotFound, match=r"tenant other has no account anna@example.org"):
        await suspension.suspend_account("other", ANNA)
    with pytest.raises(NotFound, match=r"tenant other has no domain example.org"):
        await suspension.suspend_domain("other", "example.org")
    with pytest.raises(NotFound, match="no tenant nobody"):
        await suspension.suspend_tenant("nobody")
    assert await AccessLog(store).entry_since(0, 10) == News([], None)


async def test_rows_of_version_0_2_0_work(example, store, pods, suspension):
    await store.collection("tenants").update_many({}, {"$unset": {"status": ""}})
    await pods[0].open(ANNA, "correct horse")
    assert (await example.tenants.get("acme")).status is TenantStatus.ACTIVE
    await suspension.suspend_account("acme", ANNA)
    await poll(pods)
    assert pods[0].ended == [ANNA]


async def test_sessions_go_on_while_the_store_is_unreachable(pods):
    unreachable = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=200)
    watch = AccessWatch(unreachable)
    watch.open(Identity("x", "y", Address.parse(ANNA)), lambda: pods[0].ended.append("x"))
    with pytest.raises(Unavailable):
        await watch.poll()
    assert pods[0].ended == []
    await unreachable.close()


async def test_ten_thousand_sessions_of_a_tenant_end_without_holding_up_the_loop(pods, suspension):
    pod = pods[0]
    identity = await pod.open(ANNA, "correct horse")
    for n in range(10_000):
        pod.watch.open(identity, lambda n=n: pod.ended.append(str(n)))
    await suspension.suspend_tenant("acme")
    longest = 0.0
    loop = asyncio.get_running_loop()
    polling = asyncio.create_task(pod.watch.poll())
    while not polling.done():
        before = loop.time()
        await asyncio.sleep(0)
        longest = max(longest, loop.time() - before)
    assert len(pod.ended) == 10_001
    assert longest < 0.1


async def test_a_change_of_a_subject_ends_the_sessions_of_that_subject_and_no_others(store, pods):
    pod = pods[0]
    hers = Identity("a" * 24, "acme", Address("anna", "one.example"))
    sessions = {
        "hers": hers,
        "same domain": replace(hers, account="b" * 24, address=Address("bert", "one.example")),
        "same tenant": replace(hers, account="c" * 24, address=Address("carl", "two.example")),
        "other tenant": Identity("d" * 24, "other", Address("dora", "three.example")),
    }
    for label, identity in sessions.items():
        pod.watch.open(identity, lambda label=label: pod.ended.append(label))
    for subject, ended in [
        (Subject(Scope.ACCOUNT, "a" * 24, "acme"), {"hers"}),
        (Subject(Scope.DOMAIN, "one.example", "acme"), {"same domain"}),
        (Subject(Scope.TENANT, "acme", "acme"), {"same tenant"}),
        (Subject(Scope.TENANT, "nobody", "nobody"), set()),
    ]:
        pod.ended.clear()
        await note(store, subject)
        await pod.watch.poll()
        assert set(pod.ended) == ended


async def test_a_session_ends_once_even_when_several_of_its_subjects_lose_access(store, pods):
    pod = pods[0]
    identity = Identity("a" * 24, "acme", Address("anna", "one.example"))
    pod.watch.open(identity, lambda: pod.ended.append("hers"))
    for subject in (
        Subject(Scope.ACCOUNT, "a" * 24, "acme"),
        Subject(Scope.DOMAIN, "one.example", "acme"),
        Subject(Scope.TENANT, "acme", "acme"),
    ):
        await note(store, subject)
    await pod.watch.poll()
    assert (pod.ended, dict(pod.watch._sessions)) == (["hers"], {})


async def test_a_login_that_is_as_new_as_the_change_goes_on(store, pods):
    watch = pods[0].watch
    revision = await note(store, Subject(Scope.TENANT, "acme", "acme"))
    await watch.poll()
    for difference, ended in ((-1, True), (0, False), (1, False)):
        identity = Identity("a", "acme", Address("anna", "one.example"), revision + difference)
        assert watch.has_ended(identity) is ended


async def test_a_password_change_drops_no_cached_address_and_a_suspension_does(store, clock):
    forgotten: list[int] = []
    watch = AccessWatch(store, lambda: forgotten.append(watch.revision), clock=clock)
    await note(store, Subject(Scope.ACCOUNT, "a", "acme"), Action.PASSWORD)
    await watch.poll()
    assert forgotten == []
    await note(store, Subject(Scope.ACCOUNT, "a", "acme"), Action.SUSPENDED)
    await watch.poll()
    assert forgotten == [1]  # before the change counts as seen: a look-up in between reads the new state


async def test_a_change_is_kept_for_longer_than_a_login_is_remembered(store, clock):
    watch = AccessWatch(store, clock=clock)
    await note(store, Subject(Scope.TENANT, "acme", "acme"))
    await watch.poll()
    identity = Identity("a", "acme", Address("anna", "one.example"))
    clock.now += 600 + 200  # the longest memory of a login that can be set, and a wait for a hash
    assert watch.has_ended(identity)


async def note(store: Store, subject: Subject, action: Action = Action.SUSPENDED) -> int:
    """Write one access change; return its revision."""

    async def add(session) -> int:
        return await AccessLog(store).add(subject, action, now_utc(), session)

    return await in_transaction(store, add)


async def test_a_change_that_is_undone_leaves_no_gap_in_the_revisions(store):
    subject = Subject(Scope.TENANT, "acme", "acme")

    async def add_and_fail(session) -> None:
        await AccessLog(store).add(subject, Action.SUSPENDED, now_utc(), session)
        raise NotFound("the tenant was removed meanwhile")

    assert await note(store, subject) == 1
    with pytest.raises(NotFound):
        await in_transaction(store, add_and_fail)
    assert await note(store, subject) == 2


async def test_changes_are_read_in_order_up_to_the_limit_and_policies_are_no_change(store):
    log = AccessLog(store)
    subject = Subject(Scope.TENANT, "acme", "acme")
    assert await log.entry_since(0, 10) == News([], None)
    for _ in range(3):
        await note(store, subject)
        await in_transaction(store, log.add_policy_change)
    for since, limit, revisions in [(0, 10, [1, 2, 3]), (1, 1, [2]), (0, 3, [1, 2, 3]), (3, 10, [])]:
        news = await log.entry_since(since, limit)
        assert [change.revision for change in news.changes] == revisions
        assert news.policies in (3, None)
    assert (await log.entry_since(3, 10)).policies == 3
    await log.prepare()
    assert await note(store, subject) == 4


async def test_a_domain_that_is_removed_while_it_is_suspended_stays_unchanged(
    example, store, suspension, monkeypatch
):
    async def removed_meanwhile(*_) -> bool:
        return False

    monkeypatch.setattr(example.domains, "suspend", removed_meanwhile)
    with pytest.raises(NotFound, match=r"the domain example.org was removed meanwhile"):
        await suspension.suspend_domain("acme", "example.org")
    assert await AccessLog(store).entry_since(0, 10) == News([], None)


async def test_each_suspension_is_a_change_of_its_own_and_resuming_is_none(store, suspension):
    for _ in range(2):
        await suspension.suspend_domain("acme", "example.org")
    await suspension.resume_domain("acme", "example.org")
    news = await AccessLog(store).entry_since(0, 10)
    assert [(change.revision, change.subject.name) for change in news.changes] == [
        (1, "example.org"),
        (2, "example.org"),
    ]


async def test_what_does_not_exist_cannot_be_resumed(suspension):
    with pytest.raises(NotFound):
        await suspension.resume_account("other", ANNA)
    with pytest.raises(NotFound):
        await suspension.resume_domain("other", "example.org")
    with pytest.raises(NotFound):
        await suspension.resume_tenant("nobody")
