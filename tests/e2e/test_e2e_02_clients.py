"""Foreign clients: mbsync, curl, imaplib and imapclient read what was sent."""

import asyncio
import imaplib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.e2e.postbox import fetch_all, send_all
from tests.trial import accounts
from tests.trial.instance import Instance

MAILS = 2_000
MBSYNC = """\
IMAPStore far
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

MaildirStore near
Inbox {folder}/INBOX

Channel inbox
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
"""


def message(number: int) -> tuple[str, bytes]:
    head = b"From: a@sender.test\r\nTo: reader@e2e.test\r\nSubject: number %d\r\nMessage-ID: <%d@sender.test>\r\n"
    return f"number {number}", head % (number, number) + b"\r\nThis is mail %d.\r\n" % number


def need(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not here: apt-get install {package}")
    return path


def files_below(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def some_mails(instance: Instance, new_account: Callable[[], str]) -> str:
    """An account with three mails."""
    address = new_account()
    asyncio.run(send_all(instance, address, [message(number) for number in range(3)]))
    asyncio.run(fetch_all(instance, address, 3))
    return address


def run(*command: str | Path) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def curl(instance: Instance, account: str, path: str) -> bytes:
    url = f"imap://127.0.0.1:{instance.ports.listener('imap')}/{path}"
    return run(need("curl", "curl"), "-sS", "--user", f"{account}:{accounts.PASSWORD}", url)


def test_mbsync_fetches_2000_mails_and_the_second_run_transfers_nothing(
    instance: Instance, account: str, tmp_path: Path
) -> None:
    mbsync = need("mbsync", "isync")
    asyncio.run(send_all(instance, account, [message(number) for number in range(MAILS)]))
    asyncio.run(fetch_all(instance, account, MAILS))
    port = instance.ports.listener("imap")
    settings = tmp_path / "mbsyncrc"
    settings.write_text(MBSYNC.format(port=port, user=account, password=accounts.PASSWORD, folder=tmp_path))
    run(mbsync, "-V", "-c", settings, "-a")
    transferred = files_below(tmp_path / "INBOX")
    run(mbsync, "-V", "-c", settings, "-a")
    assert sum(1 for name in transferred if name.startswith(("new/", "cur/"))) == MAILS
    assert files_below(tmp_path / "INBOX") == transferred


def test_curl_reads_a_mail_by_its_url(instance: Instance, some_mails: str) -> None:
    assert curl(instance, some_mails, "INBOX;MAILINDEX=2").endswith(message(1)[1])


def test_curl_lists_mailboxes(instance: Instance, some_mails: str) -> None:
    assert b"INBOX" in curl(instance, some_mails, "")


def test_imaplib_logs_in_searches_fetches_stores_and_idles_out(instance: Instance, some_mails: str) -> None:
    with imaplib.IMAP4("127.0.0.1", instance.ports.listener("imap"), timeout=30) as client:
        client.login(some_mails, accounts.PASSWORD)
        assert client.select("INBOX") == ("OK", [b"3"])
        assert client.search(None, "SUBJECT", '"number 1"') == ("OK", [b"2"])
        _, fetched = client.uid("FETCH", "2", "(FLAGS BODY.PEEK[])")
        assert fetched[0][1].endswith(message(1)[1])
        assert client.store("2", "+FLAGS", "\\Flagged")[0] == "OK"
        assert client.search(None, "FLAGGED") == ("OK", [b"2"])


def test_imapclient_reads_envelopes_flags_and_folders(instance: Instance, some_mails: str) -> None:
    port = instance.ports.listener("imap")
    with IMAPClient("127.0.0.1", port, ssl=False, timeout=30) as client:
        client.login(some_mails, accounts.PASSWORD)
        assert "INBOX" in [name for _, _, name in client.list_folders()]
        client.select_folder("INBOX", readonly=True)
        rows = client.fetch(client.search("ALL"), ["ENVELOPE", "FLAGS", "RFC822.SIZE", "BODYSTRUCTURE"])
        subjects = [row[b"ENVELOPE"].subject for row in rows.values()]
        assert subjects == [b"number 0", b"number 1", b"number 2"]
