"""The door to MongoDB: wrong URLs and absent servers are told apart."""

import asyncio
import contextlib
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.store.client import Store


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
    with pytest.raises(Unavailable, match="MongoDB is away"):
        await store.ping()
    assert store.unready() == "MongoDB has not answered yet"
    await store.close()


async def test_a_replica_set_that_answers_makes_the_store_ready(mongo_url: str) -> None:
    store = Store(mongo_url, "x")
    await store.start()
    assert store.unready() is None
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
    assert store.unready() == "MongoDB has not answered yet"
    await store.close()
