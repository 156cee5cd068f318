"""The door to MongoDB: wrong URLs and absent servers are told apart."""

import asyncio
import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from pymongo.errors import OperationFailure
from structlog.testing import capture_logs

from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.store import client
from mailyard.store.client import Store, unavailable_when_away
from mailyard.store.refusals import REFUSED_LOGIN, REFUSED_RIGHT, REMEMBERED_SECONDS, RecentRefusal


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "mongodb://", "mongodb://user:se:cret@host:1:2/", "mongodb://127.0.0.1:99999/"],
)
async def test_a_url_that_is_none_is_a_matter_for_a_person_and_keeps_its_password(url: str) -> None:
    with pytest.raises(Misconfigured, match="MAILYARD_MONGO_URL") as caught:
        await Store(url, "x").start()
    assert "cret" not in str(caught.value)


async def test_a_server_that_is_away_is_a_matter_of_time() -> None:
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "x", timeout_ms=200)
    with pytest.raises(Unavailable, match="MongoDB is unreachable"):
        await store.ping()
    assert store.not_ready_reason() == "MongoDB has not answered yet"
    await store.close()


async def test_a_replica_set_that_answers_makes_the_store_ready(mongo_url: str) -> None:
    store = Store(mongo_url, "x")
    await store.start()
    assert store.not_ready_reason() is None
    await store.close()


async def test_a_refused_login_is_tried_again_because_a_new_server_gets_its_users_late(
    mongo_url: str,
) -> None:
    parts = urlsplit(mongo_url)
    url = parts._replace(netloc=f"nobody:secret@{parts.netloc}").geturl()
    store = Store(url, "x", timeout_ms=2_000)
    with capture_logs() as logs, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await store.start()
    refused = [line["error"] for line in logs if line["event"] == "store.unavailable"]
    assert len(refused) > 1, logs
    assert "check user, password and authSource in MAILYARD_MONGO_URL" in refused[0]
    assert "secret" not in str(logs)
    assert store.not_ready_reason() == "MongoDB has not answered yet"
    await store.close()


@pytest.fixture
def no_refusals() -> Iterator[None]:
    yield
    REFUSED_LOGIN.forget()
    REFUSED_RIGHT.forget()


@pytest.mark.usefixtures("no_refusals")
async def test_a_password_that_was_changed_after_the_start_makes_mail_wait_and_the_process_unready(
    mongo_url: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CHECK_SECONDS", 0.05)
    owner = Store(mongo_url, database)
    await owner.db.command({"createUser": "relay", "pwd": "old-secret", "roles": ["readWrite"]})
    parts = urlsplit(mongo_url)
    login = parts._replace(netloc=f"relay:old-secret@{parts.netloc}").geturl()
    store = Store(f"{login}{'&' if '?' in login else '/?'}authSource={database}", database)
    try:
        await store.start()
        assert store.not_ready_reason() is None
        await owner.db.command({"updateUser": "relay", "pwd": "new-secret"})
        # Open connections go on; more operations at a time than there are connections need new ones.
        ended = await asyncio.gather(*(store.ping() for _ in range(20)), return_exceptions=True)
        errors = [each for each in ended if each is not None]
        assert errors
        assert {type(each) for each in errors} == {Unavailable}
        said = store.not_ready_reason()
        assert said is not None
        assert "authentication failed; check user, password and authSource in MAILYARD_MONGO_URL" in said
        assert "secret" not in said
    finally:
        await store.close()
        await owner.db.command({"dropUser": "relay"})
        await owner.close()


@pytest.mark.usefixtures("no_refusals")
async def test_a_missing_right_makes_mail_wait_and_is_told_without_documents_by_a_process_that_stays_ready(
    mongo_url: str, database: str
) -> None:
    store = Store(mongo_url, database)
    await store.start()
    words = (
        'not authorized on mail to execute command { insert: "spool", documents: [ { sender: "a@b.test" } ] }'
    )
    with pytest.raises(Unavailable, match="lacks this right"), unavailable_when_away():
        raise OperationFailure(words, 13)
    assert store.not_ready_reason() is None
    said = store.degraded()
    assert said is not None
    assert 'not authorized on mail to execute command { insert: "spool"' in said
    assert "a@b.test" not in said
    await store.close()


def test_other_errors_of_the_server_stay_what_they_are() -> None:
    with pytest.raises(OperationFailure), unavailable_when_away():
        raise OperationFailure("unknown operator", 2)


def test_a_refusal_is_forgotten_after_a_while() -> None:
    seconds = 0.0
    refusal = RecentRefusal(lambda: seconds)
    refusal.note("no")
    seconds = REMEMBERED_SECONDS - 1
    assert refusal.current() == "no"
    seconds = REMEMBERED_SECONDS
    assert refusal.current() is None
