"""The service put together: its settings, and its way to a real MongoDB and RabbitMQ."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.listening.listener import Listener
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.service import Runtime
from mailyard.smtp_in.main import build, endpoints_of
from mailyard.smtp_in.settings import SmtpInSettings
from mailyard.spool.queue.spool import Spool
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

PASSWORD = "correct horse battery staple"
ANYWHERE = ("127.0.0.1:0",)
BODY = (
    b"From: ann@one.test\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\n\x01\xff.\r\n.\r\n" + b"long " * 500 + b"\r\n"
)


def settings(**values: object) -> SmtpInSettings:
    return SmtpInSettings(**{"mx_listen": (), "hostname": "mail.one.test", **values})


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({}, "listens nowhere"),
        ({"submission_listen": ANYWHERE}, "nobody could authenticate"),
        ({"submissions_listen": ANYWHERE, "plaintext_auth": "loopback"}, "TLS_CERTIFICATE_FILE"),
        ({"mx_listen": ANYWHERE, "tls_key_file": "/x"}, "set both"),
    ],
)
async def test_settings_that_cannot_work_stop_the_start_with_advice(values, advice) -> None:
    with pytest.raises(Misconfigured, match=advice):
        await build(Runtime("smtp-in", settings(**values)))


def test_doors_without_endpoints_are_closed() -> None:
    assert list(endpoints_of(settings(lmtp_listen=("127.0.0.1:24", "[::1]:24")))) == ["lmtp"]


@pytest.fixture
async def provisioned(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    provisioning = Provisioning(store, Passwords(HashCost(1, 64, 1)), now_utc)
    await provisioning.add_tenant("one")
    await provisioning.add_domain("one", "one.test")
    await provisioning.add_account("one", "ann@one.test", PASSWORD)
    await provisioning.add_alias("one", "team@one.test", ["ann@one.test"])
    yield store
    await store.close()


@pytest.fixture
async def service(
    provisioned: Store, mongo_url: str, database: str, vhost_url: str, tmp_path
) -> AsyncIterator[dict[str, int]]:
    """Start everything; return the ports by door."""
    tls = ensure_certificates(tmp_path / "tls", ["localhost"], datetime.now(UTC))
    runtime = Runtime(
        "smtp-in",
        settings(
            mongo_url=mongo_url, mongo_database=database, amqp_url=vhost_url,
            mx_listen=ANYWHERE, submission_listen=ANYWHERE, submissions_listen=ANYWHERE, lmtp_listen=ANYWHERE,
            tls_certificate_file=tls.certificate, tls_key_file=tls.key, plaintext_auth="loopback",
        ),
    )  # fmt: skip
    parts = await build(runtime)
    await runtime.start(parts)
    listeners = [part for part in parts if isinstance(part, Listener)]
    yield {part.name.removeprefix("listener-"): part.addresses[0].port for part in listeners}
    await runtime.finish()


async def test_mail_by_every_door_is_stored_octet_for_octet_and_announced(
    provisioned: Store, service: dict[str, int], vhost_url: str
) -> None:
    def send() -> list[bytes]:
        said = []
        for name, client in {
            "mx": smtplib.SMTP("127.0.0.1", service["mx"], timeout=20),
            "submission": smtplib.SMTP("127.0.0.1", service["submission"], timeout=20),
            "lmtp": smtplib.LMTP("127.0.0.1", service["lmtp"]),
        }.items():
            with client:
                client.ehlo_or_helo_if_needed()
                if name == "submission":
                    client.login("ann@one.test", PASSWORD)
                assert client.mail("team@one.test")[0] == 250
                assert client.rcpt("Team@One.Test")[0] == 250
                code, text = client.data(BODY)
                assert code == 250, text
                said.append(text)
        return said

    said = await asyncio.to_thread(send)
    rows = [row async for row in provisioned.collection("spool").find({}, sort=[("_id", 1)])]
    assert [f"2.0.0 Ok: queued as {row['_id']}".encode() for row in rows] == said
    blobs = Spool(provisioned, None, stage="test").blobs  # type: ignore[arg-type]  # it publishes nothing
    for row in rows:
        assert await blobs.read(row["blob"]) == BODY
        assert row["_id"].encode() in row["prefix"]
        assert row["recipients"] == [{"address": "Team@one.test", "tenant": "one"}]
    broker = Broker(vhost_url, "test")
    await broker.start()
    assert (await broker.depth(Queue.SMTP_IN_ROUTE)).messages == 3
    await broker.close()


async def test_a_long_body_goes_to_the_store_in_chunks_and_comes_out_whole(
    provisioned: Store, service: dict[str, int]
) -> None:
    body = b"Subject: long\r\n\r\n" + b"".join(b"%07d " % number * 9 + b"\r\n" for number in range(30_000))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", service["mx"], timeout=60) as client:
            client.sendmail("x@there.test", ["ann@one.test"], body)

    await asyncio.to_thread(send)
    row = await provisioned.collection("spool").find_one({})
    assert row is not None
    assert row["size"] == len(body)
    blobs = Spool(provisioned, None, stage="test").blobs  # type: ignore[arg-type]  # it publishes nothing
    assert await blobs.read(row["blob"]) == body


async def test_a_port_in_use_is_told_with_its_name(
    provisioned: Store, mongo_url: str, database: str, vhost_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = settings(
            mongo_url=mongo_url, mongo_database=database, amqp_url=vhost_url, mx_listen=(f"127.0.0.1:{port}",)
        )
        runtime = Runtime("smtp-in", given)
        with pytest.raises(OSError, match=f"listener-mx cannot listen at 127.0.0.1:{port}"):
            await runtime.start(await build(runtime))
        await runtime.finish()
