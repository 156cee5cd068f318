"""`mailyard install-check after` at a whole Mailyard: certificates, queues, ledger, clients' addresses, canary."""

import asyncio
import json
import os
import smtplib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mailyard.runtime.clock import now_utc
from mailyard.spool.watch.canary import Canary
from mailyard.store.client import Store
from tests.trial.instance import Instance
from tests.trial.nameserver import fake_dns

COMMAND = str(Path(sys.executable).with_name("mailyard"))
KINDS = ("smtp", "submission", "submissions", "imap", "imaps")
TRUSTED = "mailyard.test"


def check(instance: Instance, folder: Path, *more: str, kinds: Sequence[str] = KINDS) -> list[dict[str, str]]:
    """Run it where no cluster can be seen; in such a folder no other local mode is found."""
    listeners = [f"--listener={kind}=127.0.0.1:{instance.ports.listener(kind)}" for kind in kinds]
    authority = f"--ca-file={instance.layout.tls / 'ca.pem'}"
    config = ("--config", str(instance.layout.environment))
    environment = {**os.environ, "KUBECONFIG": str(folder / "none")}
    with fake_dns({}, validates=False) as resolver:
        options = ("--json", authority, f"--resolver={resolver}", *listeners, *more)
        command = (COMMAND, *config, "install-check", "after", *options)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=folder
        )
    lines: list[dict[str, str]] = json.loads(done.stdout)
    assert done.returncode == any(line["level"] == "error" for line in lines), done.stderr
    return lines


def of(lines: list[dict[str, str]], area: str) -> list[dict[str, str]]:
    return [line for line in lines if line["area"] == area]


async def record_canary(instance: Instance, succeeded: bool) -> None:
    store = Store(instance.mongo_url, "mailyard")
    await Canary(store).record("local", succeeded, 1.25, now_utc())
    await store.close()


def test_a_whole_mailyard_is_well(instance: Instance, account: str, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", instance.ports.listener("smtp")) as client:
        client.sendmail("someone@sender.test", [account], b"Subject: x\r\n\r\n")
    asyncio.run(record_canary(instance, succeeded=True))
    lines = check(instance, tmp_path, f"--host={TRUSTED}")
    certificates = of(lines, "certificates")
    assert [line["level"] for line in certificates] == ["ok"] * len(KINDS)
    assert certificates[0]["what"].startswith(
        f"smtp at 127.0.0.1:{instance.ports.listener('smtp')}: localhost, {TRUSTED},"
    )
    assert [line["level"] for area in ("port 25 in", "clock", "ledger") for line in of(lines, area)] == [
        "ok"
    ] * 3
    assert [line["what"] for line in of(lines, "queues")] == [
        "all 6 queues exist; the 5 work queues have consumers and move"
    ]
    assert of(lines, "canary")[0]["what"].startswith("the canary's leg local arrived in 1.2 s at ")
    [callers] = of(lines, "client addresses")
    assert (callers["level"], "127.0.0.1" in callers["what"]) == ("unknown", True)


@pytest.mark.parametrize(
    ("host", "what"),
    [("other.test", "Hostname mismatch, certificate is not valid for 'other.test'."), (None, None)],
)
def test_a_certificate_must_be_for_the_host_that_clients_know(
    instance: Instance, tmp_path: Path, host: str | None, what: Any
) -> None:
    more = [f"--host={host}"] if host else []
    for kind in ("submission", "imaps"):
        [found] = of(check(instance, tmp_path, *more, kinds=[kind]), "certificates")
        assert found["level"] == ("error" if host else "ok")
        assert what is None or found["what"].endswith(f": {what}")


def test_a_listener_that_speaks_no_tls_is_an_error(instance: Instance, tmp_path: Path) -> None:
    plain = f"--listener=submissions=127.0.0.1:{instance.ports.listener('imap')}"
    [found] = of(check(instance, tmp_path, plain, kinds=[]), "certificates")
    assert found["level"] == "error"
    assert "offers no TLS" in found["what"]


def test_a_canary_that_was_lost_is_an_error(instance: Instance, tmp_path: Path) -> None:
    asyncio.run(record_canary(instance, succeeded=False))
    [found] = of(check(instance, tmp_path, kinds=["smtp"]), "canary")
    assert (found["level"], found["instruction"]) == (
        "error",
        "The log of its job shows where the mail stopped.",
    )


def test_the_records_of_all_tenants_domains_are_looked_at(
    instance: Instance, account: str, tmp_path: Path
) -> None:
    lines = check(instance, tmp_path, kinds=["smtp"])
    domain = account.partition("@")[2]
    assert f"{domain} has no MX record" in [line["what"] for line in of(lines, "DNS records")]
    rest = check(instance, tmp_path, f"--inner-domain={domain}", kinds=["smtp"])
    assert not any(line["what"].startswith(f"{domain} ") for line in of(rest, "DNS records"))
