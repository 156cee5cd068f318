"""The login log of accounts in a real MongoDB."""

from datetime import timedelta

import pytest

from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.authentication import Authenticator
from mailyard.directory.loginlog.log import COLLECTION, LoginLog
from mailyard.directory.loginlog.recorder import LoginRecorder
from mailyard.directory.policychange import PolicyChange
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable

pytestmark = pytest.mark.usefixtures("example")

ANNA = "anna@example.org"
RIGHT = "correct horse"
LIMITS = LoginLimits(login_from_address=AttemptLimits(free=2), remember_seconds=0.0)


@pytest.fixture
def now():
    return now_utc().replace(microsecond=0)


@pytest.fixture
def recorder(store, directory, clock, now):
    return LoginRecorder(
        store, directory.policies, 30, now=lambda: now + timedelta(seconds=clock() - 1000), clock=clock
    )


@pytest.fixture
def authenticator(store, directory, passwords, recorder, clock):
    return Authenticator(store, directory, passwords, LIMITS, recorder=recorder, clock=clock)


@pytest.fixture
async def account(example):
    return await example.accounts.get("acme", Address.parse(ANNA))


@pytest.fixture
def log_in(authenticator):
    async def log_in(password=RIGHT, name=ANNA, client_ip="192.0.2.1", service="imap"):
        return await authenticator.authenticate(name, password, client_ip=client_ip, service=service)

    return log_in


@pytest.fixture
def logged(store, recorder, account):
    """The log of anna: result, count, client, proof of each row, the latest first."""

    async def logged():
        while await recorder.write():
            pass
        rows = await LoginLog(store).of_account("acme", str(account.id), 100)
        return [(row.line.result, row.count, row.line.client, row.line.proof) for row in rows]

    return logged


async def test_a_right_and_a_wrong_login_are_in_the_log_of_the_account(log_in, logged, clock):
    await log_in()
    clock.now += 1
    await log_in("wrong", client_ip="198.51.100.7")
    assert await logged() == [
        ("bad-credentials", 1, "198.51.100.7", ""),
        ("accepted", 1, "192.0.2.1", "password"),
    ]


async def test_logins_that_wait_are_counted_though_no_password_is_checked(log_in, logged, clock):
    for _ in range(50):
        await log_in("wrong")
    clock.now += 61
    assert sorted(await logged()) == [
        ("bad-credentials", 1, "192.0.2.1", ""),
        ("bad-credentials", 2, "192.0.2.1", ""),
        ("too-many-attempts", 1, "192.0.2.1", ""),
        ("too-many-attempts", 46, "192.0.2.1", ""),
    ]


async def test_unknown_logins_leave_no_row(log_in, logged, store):
    for name in ("nobody@example.org", "nobody@nowhere.test", "anna", ""):
        await log_in("wrong", name=name)
    assert await logged() == []
    assert await store.collection(COLLECTION).count_documents({}) == 0


async def test_a_login_does_not_wait_for_the_log(log_in, recorder, monkeypatch, logged):
    async def fails(_):
        raise Unavailable("MongoDB is unreachable")

    with monkeypatch.context() as outage:
        outage.setattr(recorder._log, "add", fails)
        await log_in()
        with pytest.raises(Unavailable):
            await recorder.write()
    assert await logged() == [("accepted", 1, "192.0.2.1", "password")]


async def test_a_row_whose_answer_was_lost_is_written_once(log_in, recorder, monkeypatch, logged):
    add = recorder._log.add

    async def lost(rows):
        await add(rows)
        raise Unavailable("the answer was lost")

    await log_in()
    with monkeypatch.context() as outage:
        outage.setattr(recorder._log, "add", lost)
        with pytest.raises(Unavailable):
            await recorder.write()
    assert await logged() == [("accepted", 1, "192.0.2.1", "password")]


async def test_rows_are_kept_for_the_days_of_setting_or_policy(log_in, logged, store, example, now):
    await log_in()
    await logged()
    await PolicyChange(store, example).set_tenant("other", {"login_log_days": "7"})
    await log_in("carl's password", name="carl@other.net")
    await logged()
    rows = store.collection(COLLECTION)
    for tenant, days in (("acme", 30), ("other", 7)):
        row = await rows.find_one({"tenant": tenant})
        assert row["expire_at"] == now + timedelta(days=days)


async def test_a_tenant_that_wants_no_log_has_none(log_in, logged, store, example):
    await PolicyChange(store, example).set_tenant("acme", {"login_log_days": "0"})
    await log_in()
    assert await logged() == []


async def test_when_the_process_ends_all_sums_are_written(log_in, recorder, logged, store, account):
    for _ in range(5):
        await log_in()
    await recorder.start()
    await recorder.drain()
    rows = await LoginLog(store).of_account("acme", str(account.id), 100)
    assert sorted(row.count for row in rows) == [1, 4]


async def test_a_log_belongs_to_its_tenant_and_is_erased_with_account_or_tenant(
    log_in, logged, store, account, recorder
):
    log = LoginLog(store)
    await log_in()
    await log_in("battery staple", name="bert@example.org")
    assert len(await logged()) == 1
    assert await log.of_account("other", str(account.id), 100) == []
    assert await log.remove_of_account("other", str(account.id)) == 0
    assert await log.remove_of_account("acme", str(account.id)) == 1
    assert await log.remove_of_tenant("acme") == 1


async def test_what_waits_in_an_outage_is_bounded(log_in, recorder, account, monkeypatch):
    await log_in()
    monkeypatch.setattr("mailyard.directory.loginlog.recorder._MOST_ROWS", 5)
    for n in range(9):
        await log_in("wrong", client_ip=f"10.0.{n}.1")
    assert len(recorder._waiting) == 5


async def test_the_plan_of_the_log_reads_as_much_as_it_shows(log_in, logged, store, account):
    await log_in()
    await logged()
    found = store.collection(COLLECTION).find({"tenant": "acme", "account": str(account.id)})
    plan = await found.sort("last", -1).limit(50).explain()
    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])
    assert "SORT'" not in str(plan["queryPlanner"]["winningPlan"])
