"""A lease has one holder at a time; it is renewed by asking again, and another process takes it after its end."""

from datetime import UTC, datetime, timedelta

import pytest

from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store
from mailyard.store.lease import COLLECTION, Lease

LENGTH = timedelta(seconds=30)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 28, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def lease(store: Store, holder: str, time: Time, name: str = "sweep") -> Lease:
    return Lease(store, name, holder, length=LENGTH, clock=time)


async def test_the_first_to_ask_holds_the_lease_and_others_do_not(store: Store, time: Time) -> None:
    assert await lease(store, "router-0", time).hold()
    assert not await lease(store, "router-1", time).hold()
    assert await lease(store, "router-0", time).hold()


async def test_leases_of_other_names_are_free(store: Store, time: Time) -> None:
    assert await lease(store, "router-0", time).hold()
    assert await lease(store, "router-1", time, name="census").hold()


async def test_a_lease_that_is_not_renewed_passes_to_the_next_that_asks(store: Store, time: Time) -> None:
    first, second = lease(store, "router-0", time), lease(store, "router-1", time)
    assert await first.hold()
    time.now += LENGTH
    assert not await second.hold(), "the lease holds until its end, the last moment included"
    time.now += timedelta(milliseconds=1)
    assert await second.hold()
    assert not await first.hold()


async def test_each_renewal_lasts_a_whole_length(store: Store, time: Time) -> None:
    first, second = lease(store, "router-0", time), lease(store, "router-1", time)
    for _ in range(5):
        assert await first.hold()
        time.now += LENGTH * 0.9
        assert not await second.hold()


async def test_a_released_lease_is_free_at_once(store: Store, time: Time) -> None:
    first, second = lease(store, "router-0", time), lease(store, "router-1", time)
    assert await first.hold()
    await first.release()
    assert await second.hold()


async def test_a_process_releases_its_own_lease_only(store: Store, time: Time) -> None:
    first, second = lease(store, "router-0", time), lease(store, "router-1", time)
    assert await first.hold()
    await second.release()
    assert not await second.hold()
    assert await store.collection(COLLECTION).count_documents({}) == 1


async def test_a_store_that_is_unreachable_is_an_error_and_no_answer(time: Time) -> None:
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "x", timeout_ms=100)
    with pytest.raises(Unavailable):
        await lease(store, "router-0", time).hold()
    with pytest.raises(Unavailable):
        await lease(store, "router-0", time).release()
    await store.close()
