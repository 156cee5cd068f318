"""What can be said before anything is started: ports, folders, certificates, accounts, variables."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from cryptography import x509

from mailyard.local.access import DemoAccount, plan_access, read_accounts
from mailyard.local.certificates import AUTHORITY_LIFE, SERVER_LIFE, ensure_certificates
from mailyard.local.guide import suggestions
from mailyard.local.instance import AlreadyRunning, end_leftovers, only_one
from mailyard.local.layout import Layout
from mailyard.local.ports import LISTENERS, Ports, PortsTaken, require_free
from mailyard.local.processes import free_port
from mailyard.local.servers import Unreachable, require_reachable, through
from mailyard.local.settings import LocalSettings
from mailyard.probe.roundtrip import RoundtripResult

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = ("localhost", "mailyard.test", "127.0.0.1")
ACCOUNTS = (DemoAccount("anna@alpha.test", "s3cret", "demo"), DemoAccount("ben@beta.test", "s4cret", "demo"))


def test_the_ports_are_those_of_the_documentation_and_move_together():
    assert dict(Ports().all())["submission"] == 2587
    assert dict(Ports().all())["health of imap"] == 9106
    assert {
        port - plain for (_, port), (_, plain) in zip(Ports(10_000).all(), Ports().all(), strict=True)
    } == {10_000}


def test_a_port_in_use_is_named_with_its_purpose_and_its_holder():
    base = 20_000
    with (
        socket.create_server(("127.0.0.1", LISTENERS["imaps"] + base)),
        pytest.raises(PortsTaken) as refusal,
    ):
        require_free(Ports(base))
    lines = str(refusal.value).splitlines()
    assert lines[1].startswith(f"  port {LISTENERS['imaps'] + base} (imaps) is in use by process ")
    assert "MAILYARD_PORT_BASE" in lines[-1]


def test_a_second_start_in_the_same_folder_says_which_process_runs(tmp_path):
    layout = Layout(tmp_path / "local")
    with only_one(layout):
        other = (
            "from pathlib import Path; from mailyard.local.layout import Layout;"
            "from mailyard.local.instance import only_one;"
            f"only_one(Layout(Path({str(layout.root)!r}))).__enter__()"
        )
        done = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=False)
    assert AlreadyRunning.__name__ in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    with only_one(layout):
        pass


@pytest.mark.parametrize(("began_earlier", "ends"), [(0, True), (100, False)])
def test_a_part_of_a_killed_supervisor_is_ended_but_not_who_got_its_number_since(
    tmp_path, began_earlier, ends
):
    with subprocess.Popen(["sleep", "60"]) as child:
        began = psutil.Process(child.pid).create_time() - began_earlier
        book = tmp_path / "processes.json"
        book.write_text(json.dumps({"parts": {"x": {"pid": child.pid, "created": began}}}))
        end_leftovers(book, wait_seconds=0.2)
        assert (child.poll() is not None) == ends
        child.kill()


def test_the_certificate_serves_every_name_and_is_trusted_through_the_authority(tmp_path):
    files = ensure_certificates(tmp_path, NAMES, datetime.now(UTC))
    server, client = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(cafile=files.authority),
    )
    server.load_cert_chain(files.certificate, files.key)
    for name in NAMES:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = (
            client.wrap_bio(to_client, to_server, server_hostname=name),
            server.wrap_bio(to_server, to_client, server_side=True),
        )
        for _ in range(3):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert ends[0].version() == "TLSv1.3"


def test_only_the_owner_reads_the_keys(tmp_path):
    files = ensure_certificates(tmp_path, NAMES, NOW)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (files.key, tmp_path / "ca-key.pem")] == [
        0o600,
        0o600,
    ]


def test_certificates_are_kept_until_they_near_their_end(tmp_path):
    def serials(now):
        files = ensure_certificates(tmp_path, NAMES, now)
        return [
            x509.load_pem_x509_certificate(path.read_bytes()).serial_number
            for path in (files.authority, files.certificate)
        ]

    first = serials(NOW)
    assert serials(NOW + timedelta(days=300)) == first
    renewed = serials(NOW + SERVER_LIFE)
    assert renewed[0] == first[0]
    assert renewed[1] != first[1]
    assert serials(NOW + AUTHORITY_LIFE)[0] != first[0]


def test_access_json_has_listeners_accounts_and_authority_and_is_private(tmp_path):
    path = tmp_path / "access.json"
    plan_access(Ports(100), ACCOUNTS, tmp_path / "ca.pem").write(path)
    content = json.loads(path.read_text())
    assert list(content) == ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "accounts", "ca"]
    assert content["smtp"] == {"host": "127.0.0.1", "port": 2625}
    assert content["accounts"][0] == {"address": "anna@alpha.test", "password": "s3cret", "tenant": "demo"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_accounts(path) == ACCOUNTS


def test_the_suggested_commands_hold_real_ports_passwords_and_the_spool_id(tmp_path):
    access = plan_access(Ports(), ACCOUNTS, tmp_path / "ca.pem")
    sent = RoundtripResult(
        "anna@alpha.test", "ben@beta.test", "2.0.0 Ok: queued as 0123456789abcdefghij", 0.1
    )
    send, read, queues, trace = suggestions(access, Layout(tmp_path), sent)
    assert "smtp://127.0.0.1:2587 --user anna@alpha.test:s3cret" in send
    assert "'imaps://127.0.0.1:2993/INBOX;MAILINDEX=*' --user ben@beta.test:s4cret" in read
    assert queues == f".venv/bin/mailyard --config {tmp_path}/env queue list"
    assert trace.endswith("env trace 0123456789abcdefghij")


def test_a_named_server_that_does_not_answer_is_reported_with_its_variable(monkeypatch):
    monkeypatch.setenv("MAILYARD_AMQP_URL", f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    with pytest.raises(Unreachable, match="which MAILYARD_AMQP_URL names"):
        require_reachable(LocalSettings())


def test_a_proxy_changes_only_host_and_port_of_a_url():
    url = "amqp://mailyard:pw@127.0.0.1:2672/%2F?x=1"
    assert through(url, 4000) == "amqp://mailyard:pw@127.0.0.1:4000/%2F?x=1"
    assert through("mongodb://127.0.0.1:2717/?replicaSet=m", 4001) == "mongodb://127.0.0.1:4001/?replicaSet=m"
    assert through(url, None) == url
