"""mbsync, which many people's mail depends on: all messages once, nothing the second time."""

import hashlib
import re
import subprocess
import time
from pathlib import Path

import pytest
from imap_service import PASSWORD, USER

MESSAGES = 2_000


def _letter(number: int) -> bytes:
    text = b"".join(b"Line %d of message %d.\r\n" % (line, number) for line in range(number % 60 + 1))
    return (
        b"From: sender%d@example.org\r\nTo: user@example.test\r\nSubject: Number %d\r\n"
        b"Date: Fri, 17 May 2024 09:12:13 +0200\r\nMessage-ID: <%d@example.org>\r\n\r\n"
        % (number, number, number)
    ) + text


def _configuration(folder: Path, port: int) -> Path:
    (folder / "mail").mkdir()
    file = folder / "mbsyncrc"
    file.write_text(
        f"""
FSync no

IMAPAccount mailyard
Host 127.0.0.1
Port {port}
User {USER}
Pass "{PASSWORD}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account mailyard

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""
    )
    return file


def _mbsync(configuration: Path) -> str:
    done = subprocess.run(
        ["mbsync", "-V", "-c", str(configuration), "all"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _files(folder: Path) -> dict[Path, bytes]:
    """The messages at home, without the field by which mbsync marks those that are on their way."""
    return {
        path: re.sub(rb"X-TUID: .*\n", b"", path.read_bytes(), count=1)
        for path in (folder / "mail").rglob("*")
        if path.parent.name in {"cur", "new"}
    }


@pytest.mark.slow
def test_mbsync_fetches_two_thousand_messages_once(imap_service, tmp_path):
    service = imap_service()
    letters = [_letter(number) for number in range(MESSAGES)]
    service.deliver(letters)
    configuration = _configuration(tmp_path, service.port)

    started = time.monotonic()
    _mbsync(configuration)
    assert time.monotonic() - started < 60
    files = _files(tmp_path)
    wanted = {hashlib.sha256(octets.replace(b"\r\n", b"\n")).digest() for octets in letters}
    assert {hashlib.sha256(octets).digest() for octets in files.values()} == wanted
    sent = service.metric("mailyard_imap_sent_bytes_total")

    _mbsync(configuration)
    assert _files(tmp_path) == files
    # flags of each message, a few lines for each mailbox, and no body
    assert service.metric("mailyard_imap_sent_bytes_total") - sent < MESSAGES * 60


@pytest.mark.slow
def test_mbsync_carries_changes_both_ways(imap_service, tmp_path):
    service = imap_service()
    service.deliver([_letter(number) for number in range(20)])
    configuration = _configuration(tmp_path, service.port)
    _mbsync(configuration)

    # at home: one message is read, one is deleted, one is new
    read, gone, *_ = sorted(_files(tmp_path))
    read.rename(read.parent.parent / "cur" / (read.name.partition(":2,")[0] + ":2,S"))
    gone.unlink()
    (tmp_path / "mail" / "INBOX" / "new" / "1.1.home").write_bytes(b"Subject: from home\n\nHello.\n")
    _mbsync(configuration)
    assert len(_files(tmp_path)) == 20

    # and from afar into a second home
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _mbsync(_configuration(elsewhere, service.port))
    assert len(_files(elsewhere)) == 20
    assert sum(path.name.endswith(":2,S") for path in _files(elsewhere)) == 1
    assert any(octets.startswith(b"Subject: from home\n") for octets in _files(elsewhere).values())
