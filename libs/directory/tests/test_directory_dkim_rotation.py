"""The life of keys, with a clock and a DNS that the test turns."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from mailyard.directory.dkim.keys import Algorithm, DkimKey, KeyState, key_record
from mailyard.directory.dkim.rotation import DkimRotation, RotationSchedule
from mailyard.directory.errors import AlreadyExists, InUse, Invalid, NotFound
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removal import Removal
from mailyard.directory.sealing import SealingError, SealingKeys
from mailyard.directory.suspension import Suspension
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

KEYS = SealingKeys({"k1": bytes(32)})
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SCHEDULE = RotationSchedule(active=180 * DAY, before=HOUR, after=7 * DAY)


class DkimSetup:
    """A rotation, its clock, and what the DNS shows: by name, or None where it does not answer."""

    def __init__(self, store: Store, keys: SealingKeys = KEYS, schedule: RotationSchedule = SCHEDULE) -> None:
        self.now = datetime(2026, 11, 28, tzinfo=UTC)
        self.records: dict[str, Sequence[str] | None] = {}
        self.asked: list[str] = []
        self.rotation = DkimRotation(store, keys, lambda: self.now, schedule)

    async def lookup(self, name: str) -> Sequence[str] | None:
        self.asked.append(name)
        return self.records.get(name, ())

    def publish(self, key: DkimKey) -> None:
        self.records[f"{key.selector}._domainkey.{key.domain}"] = [key_record(key.algorithm, key.public)]

    async def after(self, time: timedelta) -> None:
        """Let time pass, and do everything that is due then."""
        self.now += time
        for _ in range(10):
            if not await self.rotation.work(self.lookup):
                return
        raise AssertionError("steps are due without end")

    async def states(self) -> dict[str, str]:
        keys = await self.rotation.keys.list("acme", "example.org")
        return {f"{key.selector}/{number}": key.state.value for number, key in enumerate(keys)}


@pytest.fixture
def setup(store: Store) -> DkimSetup:
    return DkimSetup(store)


async def active(setup: DkimSetup) -> DkimKey:
    """The first key of a domain, in use."""
    (key,) = await setup.rotation.add("acme", "example.org")
    setup.publish(key)
    await setup.after(HOUR)
    return key


async def test_a_new_key_signs_when_the_dns_shows_it_and_not_before_its_time(setup: DkimSetup) -> None:
    (key,) = await setup.rotation.add("acme", "example.org")
    setup.publish(key)

    await setup.after(HOUR - timedelta(seconds=1))
    assert await setup.states() == {"mailyard1/0": "pending"}
    assert setup.asked == []

    await setup.after(timedelta(seconds=1))
    assert await setup.states() == {"mailyard1/0": "active"}
    assert setup.asked == ["mailyard1._domainkey.example.org"]


async def test_a_key_that_the_dns_does_not_show_is_looked_for_ever_more_seldom(setup: DkimSetup) -> None:
    (key,) = await setup.rotation.add("acme", "example.org")
    await setup.after(HOUR)
    for minutes in (15, 30, 60, 120, 240, 360, 360):
        asked = len(setup.asked)
        await setup.after(timedelta(minutes=minutes, seconds=-1))
        assert len(setup.asked) == asked
        await setup.after(timedelta(seconds=1))
        assert len(setup.asked) == asked + 1
    assert await setup.states() == {"mailyard1/0": "pending"}

    setup.publish(key)
    await setup.after(6 * HOUR)
    assert await setup.states() == {"mailyard1/0": "active"}


async def test_a_dns_that_does_not_answer_does_not_make_the_next_look_later(setup: DkimSetup) -> None:
    (key,) = await setup.rotation.add("acme", "example.org")
    setup.records["mailyard1._domainkey.example.org"] = None
    await setup.after(HOUR)
    await setup.after(timedelta(minutes=15))
    await setup.after(timedelta(minutes=15))

    setup.publish(key)
    await setup.after(timedelta(minutes=15))
    assert await setup.states() == {"mailyard1/0": "active"}


async def test_a_key_is_followed_by_the_next_one_without_the_customer(setup: DkimSetup) -> None:
    await active(setup)
    await setup.after(180 * DAY)
    assert await setup.states() == {"mailyard1/0": "active", "mailyard2/1": "pending"}

    setup.publish((await setup.rotation.keys.list("acme", "example.org"))[1])
    await setup.after(HOUR)
    assert await setup.states() == {"mailyard1/0": "retiring", "mailyard2/1": "active"}

    await setup.after(7 * DAY - timedelta(seconds=1))
    assert (await setup.states())["mailyard1/0"] == "retiring"
    await setup.after(timedelta(seconds=1))
    assert await setup.states() == {"mailyard1/0": "retired", "mailyard2/1": "active"}

    await setup.after(173 * DAY)
    assert await setup.states() == {
        "mailyard1/0": "retired",
        "mailyard2/1": "active",
        "mailyard1/2": "pending",
    }


async def test_an_active_key_signs_on_while_its_successor_is_not_published(setup: DkimSetup) -> None:
    await active(setup)
    await setup.after(180 * DAY)
    for _ in range(30):
        await setup.after(DAY)

    assert await setup.states() == {"mailyard1/0": "active", "mailyard2/1": "pending"}


async def test_without_a_term_keys_are_rotated_by_command_only(store: Store) -> None:
    setup = DkimSetup(store, schedule=RotationSchedule(active=None, before=HOUR, after=DAY))
    await active(setup)
    await setup.after(3650 * DAY)
    assert await setup.states() == {"mailyard1/0": "active"}

    (key,) = await setup.rotation.rotate("acme", "example.org")
    setup.publish(key)
    await setup.after(HOUR)
    assert await setup.states() == {"mailyard1/0": "retiring", "mailyard2/1": "active"}


async def test_a_second_rotation_waits_for_the_first(setup: DkimSetup) -> None:
    await active(setup)
    await setup.rotation.rotate("acme", "example.org")

    with pytest.raises(InUse, match="mailyard1 is active, mailyard2 is pending"):
        await setup.rotation.rotate("acme", "example.org")


async def test_two_commands_at_once_make_one_key(setup: DkimSetup) -> None:
    await active(setup)
    both = await asyncio.gather(
        setup.rotation.rotate("acme", "example.org"),
        setup.rotation.rotate("acme", "example.org"),
        return_exceptions=True,
    )

    assert sorted(type(each).__name__ for each in both) == ["InUse", "list"]
    assert await setup.states() == {"mailyard1/0": "active", "mailyard2/1": "pending"}


async def test_two_routers_activate_a_key_once(store: Store, setup: DkimSetup) -> None:
    await active(setup)
    (key,) = await setup.rotation.rotate("acme", "example.org")
    setup.publish(key)
    setup.now += HOUR
    other = DkimRotation(store, KEYS, lambda: setup.now, SCHEDULE)

    done = await asyncio.gather(setup.rotation.work(setup.lookup), other.work(setup.lookup))

    assert sorted(done) == [False, True]
    assert await setup.states() == {"mailyard1/0": "retiring", "mailyard2/1": "active"}


async def test_a_step_that_a_crash_interrupted_is_done_after_five_minutes(setup: DkimSetup) -> None:
    (key,) = await setup.rotation.add("acme", "example.org")
    setup.publish(key)
    setup.now += HOUR
    assert await setup.rotation.keys.entry_claim_due(setup.now) is not None  # and the router dies

    await setup.after(timedelta(minutes=5, seconds=-1))
    assert await setup.states() == {"mailyard1/0": "pending"}
    await setup.after(timedelta(seconds=1))
    assert await setup.states() == {"mailyard1/0": "active"}


async def test_algorithms_have_keys_of_their_own_that_sign_at_the_same_time(setup: DkimSetup) -> None:
    keys = await setup.rotation.add("acme", "example.org", [Algorithm.RSA, Algorithm.ED25519], "s")
    for key in keys:
        setup.publish(key)
    await setup.after(HOUR)
    assert await setup.states() == {"s1/0": "active", "s1-ed25519/1": "active"}

    await setup.rotation.rotate("acme", "example.org", Algorithm.ED25519)
    assert await setup.states() == {
        "s1/0": "active",
        "s1-ed25519/1": "active",
        "s2-ed25519/2": "pending",
    }


async def test_a_revoked_key_is_gone_at_once_and_leaves_its_selector(setup: DkimSetup) -> None:
    await active(setup)
    revoked = await setup.rotation.revoke("acme", "example.org", "mailyard1")

    assert revoked.state is KeyState.RETIRED
    (stored,) = await setup.rotation.keys.list("acme", "example.org")
    assert stored.private == ""
    (key,) = await setup.rotation.add("acme", "example.org")
    assert key.selector == "mailyard1"
    assert key.public != revoked.public


async def test_the_successor_of_a_revoked_key_can_be_waiting_already(setup: DkimSetup) -> None:
    await active(setup)
    (key,) = await setup.rotation.rotate("acme", "example.org")
    await setup.rotation.revoke("acme", "example.org", "mailyard1")
    setup.publish(key)
    await setup.after(HOUR)

    assert await setup.states() == {"mailyard1/0": "retired", "mailyard2/1": "active"}


@pytest.mark.parametrize("selector", ["mailyard2", "", "mailyard1-ed25519"])
async def test_only_a_key_in_use_can_be_revoked(setup: DkimSetup, selector: str) -> None:
    await active(setup)

    with pytest.raises(NotFound, match="selectors in use: mailyard1"):
        await setup.rotation.revoke("acme", "example.org", selector)


async def test_the_keys_of_another_tenant_cannot_be_touched(setup: DkimSetup) -> None:
    await active(setup)

    with pytest.raises(NotFound):
        await setup.rotation.revoke("other", "example.org", "mailyard1")
    with pytest.raises(NotFound):
        await setup.rotation.rotate("other", "example.org")
    assert await setup.states() == {"mailyard1/0": "active"}


async def test_a_domain_gets_its_first_keys_once(setup: DkimSetup) -> None:
    await setup.rotation.add("acme", "example.org")

    with pytest.raises(AlreadyExists, match=r"use mailyard dkim rotate example\.org"):
        await setup.rotation.add("acme", "example.org", [Algorithm.ED25519, Algorithm.RSA])
    assert await setup.states() == {"mailyard1/0": "pending"}


@pytest.mark.parametrize("prefix", ["", "A", "a.b", "-a", "a-", "a" * 33])
async def test_a_prefix_that_is_no_dns_label_is_refused(setup: DkimSetup, prefix: str) -> None:
    with pytest.raises(Invalid, match="a selector prefix has"):
        await setup.rotation.add("acme", "example.org", prefix=prefix)


async def test_a_stored_private_key_is_sealed_for_its_own_row(setup: DkimSetup) -> None:
    first = await active(setup)
    (second,) = await setup.rotation.rotate("acme", "example.org")
    stored = await setup.rotation.keys.list("acme", "example.org")

    for key in stored:
        load_der_private_key(KEYS.open(key.private, key.sealing_context), None)
    with pytest.raises(SealingError):
        KEYS.open(first.private, second.sealing_context)


async def test_without_sealing_keys_no_key_is_stored(store: Store) -> None:
    setup = DkimSetup(store, SealingKeys())

    with pytest.raises(SealingError, match="MAILYARD_SEALING_KEYS"):
        await setup.rotation.add("acme", "example.org")
    assert await setup.states() == {}


async def test_private_keys_move_to_the_first_sealing_key(store: Store) -> None:
    await active(DkimSetup(store, SealingKeys({"old": bytes(32)})))
    both = SealingKeys({"new": bytes(range(32)), "old": bytes(32)})

    assert await DkimSetup(store, both).rotation.reseal() == 1
    assert await DkimSetup(store, both).rotation.reseal() == 0
    (key,) = await DkimSetup(store).rotation.keys.list("acme", "example.org")
    load_der_private_key(SealingKeys({"new": bytes(range(32))}).open(key.private, key.sealing_context), None)


async def test_the_keys_of_a_removed_domain_are_deleted(
    store: Store, setup: DkimSetup, example: Provisioning
) -> None:
    await active(setup)
    await setup.rotation.add("other", "other.net")
    removal = Removal(store, example, Suspension(store, example, now_utc), now_utc)

    await removal.remove_domain("acme", "example.org", None, with_accounts=True)

    assert [key.domain for key in await setup.rotation.keys.entry_all()] == ["other.net"]
