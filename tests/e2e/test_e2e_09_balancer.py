"""HAProxy in front of smtp-in and imap: clients keep their addresses, by version 1, version 2 and TLS passed through."""

import asyncio
import imaplib
import json
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailyard.local.processes import free_port
from tests.trial import accounts
from tests.trial.instance import Instance, free_port_base
from tests.trial.waiting import wait_until

SECONDS = 30
CLIENT, BALANCER = "127.0.0.3", "127.0.0.9"
VARIABLES = {
    "MAILYARD_SMTP_IN_PROXY_NETWORKS": f"{BALANCER}/32",
    "MAILYARD_IMAP_PROXY_NETWORKS": f"{BALANCER}/32",
}
MESSAGE = b"From: a@sender.test\r\nTo: reader@behind.test\r\nSubject: by way of a balancer\r\n\r\nHello.\r\n"
SETTINGS = """\
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
"""
ROUTE = """\
listen {name}
    bind 127.0.0.1:{front}
    server mailyard 127.0.0.1:{back} source {balancer} {header}
"""
VERSION_1, VERSION_2 = "send-proxy", "send-proxy-v2 proxy-v2-options crc32c,unique-id"
CHECKED = "send-proxy-v2 check check-send-proxy inter 200ms"
ROUTES = {
    "mx-1": ("smtp", VERSION_1),
    "mx-2": ("smtp", VERSION_2),
    "mx-none": ("smtp", ""),
    "submissions": ("submissions", VERSION_2),
    "imap": ("imap", CHECKED),
    "imaps": ("imaps", VERSION_1),
}


@pytest.fixture(scope="module")
def balanced() -> Iterator[Instance]:
    """An instance that has a balancer."""
    with (
        tempfile.TemporaryDirectory(prefix="mailyard-e2e-", ignore_cleanup_errors=True) as folder,
        Instance(Path(folder) / "local", free_port_base(), VARIABLES) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def fronts(balanced: Instance) -> Iterator[dict[str, int]]:
    """HAProxy; its ports by route."""
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        pytest.skip("haproxy is not here: apt-get install haproxy")
    ports = {name: free_port() for name in ROUTES}
    text = SETTINGS + "".join(
        ROUTE.format(
            name=name,
            front=ports[name],
            back=balanced.ports.listener(listener),
            balancer=BALANCER,
            header=header,
        )
        for name, (listener, header) in ROUTES.items()
    )
    with running(haproxy, text, balanced.directory.with_name("haproxy")):
        wait_until(lambda: listens(ports["imap"]), seconds=SECONDS, what="haproxy listens")
        yield ports


@contextmanager
def running(haproxy: str, settings: str, folder: Path) -> Iterator[None]:
    folder.mkdir()
    file = folder / "haproxy.cfg"
    file.write_text(settings)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen((haproxy, "-db", "-f", file), stdout=output, stderr=output)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def count(instance: Instance, service: str, listener: str, outcome: str) -> float:
    """How many headers had this outcome."""
    name = f'mailyard_proxy_headers_total{{listener="{listener}",outcome="{outcome}"}}'
    lines = instance.http(service, "/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def reader(balanced: Instance) -> str:
    return asyncio.run(accounts.add_accounts(balanced.mongo_url, "behind", "behind.test", ["reader"]))[0]


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def smtp(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", port, timeout=SECONDS, source_address=(CLIENT, 0))


def logins(instance: Instance, service: str) -> list[str]:
    """From where people have logged in, as the log says."""
    lines = [json.loads(line) for line in instance.log(service).splitlines() if line.startswith("{")]
    return [line["client_ip"] for line in lines if line["event"] == "login.accepted"]


def inbox(instance: Instance, address: str, expected: int) -> list[bytes]:
    """All mails, once they are there, read without the balancer."""
    with imaplib.IMAP4("127.0.0.1", instance.ports.listener("imap"), SECONDS) as client:
        client.login(address, accounts.PASSWORD)
        wait_until(
            lambda: int(client.select("INBOX", readonly=True)[1][0] or 0) >= expected,
            seconds=SECONDS,
            what=f"{expected} mails in INBOX",
        )
        _, parts = client.fetch("1:*", "(BODY[HEADER])")
    return [part[1] for part in parts if isinstance(part, tuple)]


def test_mail_by_way_of_haproxy_names_the_client_in_its_received_field(
    balanced: Instance, fronts: dict[str, int], reader: str
) -> None:
    for route in ("mx-1", "mx-2"):
        with smtp(fronts[route]) as client:
            client.sendmail("a@sender.test", [reader], MESSAGE)
    with smtplib.SMTP_SSL(
        "127.0.0.1",
        fronts["submissions"],
        timeout=SECONDS,
        source_address=(CLIENT, 0),
        context=unverified(),
    ) as client:
        client.login(reader, accounts.PASSWORD)
        client.sendmail(reader, [reader], MESSAGE.replace(b"a@sender.test", reader.encode()))
    heads = inbox(balanced, reader, 3)
    assert [f"[{CLIENT}]".encode() in head for head in heads] == [True] * 3
    assert [BALANCER.encode() in head for head in heads] == [False] * 3
    assert logins(balanced, "smtp-in") == [CLIENT]


def test_logins_by_way_of_haproxy_come_from_the_client(
    balanced: Instance, fronts: dict[str, int], reader: str
) -> None:
    before = len(logins(balanced, "imap"))
    with imaplib.IMAP4_SSL("127.0.0.1", fronts["imaps"], ssl_context=unverified(), timeout=SECONDS) as client:
        client.login(reader, accounts.PASSWORD)
    with imaplib.IMAP4("127.0.0.1", fronts["imap"], SECONDS) as client:
        assert "LOGINDISABLED" in client.capabilities  # on loopback, but not directly
        client.starttls(unverified())
        client.login(reader, accounts.PASSWORD)
    assert logins(balanced, "imap")[before:] == ["127.0.0.1", "127.0.0.1"]


def test_haproxys_health_checks_are_local_and_find_the_service_alive(
    balanced: Instance, fronts: dict[str, int]
) -> None:
    wait_until(
        lambda: count(balanced, "imap", "imap", "local") >= 2, seconds=SECONDS, what="two health checks"
    )
    with imaplib.IMAP4("127.0.0.1", fronts["imap"], SECONDS) as client:
        assert client.noop()[0] == "OK"


def test_haproxy_that_sends_no_header_reaches_nobody(balanced: Instance, fronts: dict[str, int]) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp(fronts["mx-none"])
    assert count(balanced, "smtp-in", "mx", "timed_out") == 1
    assert '"proxy.header_refused"' in balanced.log("smtp-in")
