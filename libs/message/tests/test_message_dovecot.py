"""Dovecot as an independent reader of the same messages: its BODYSTRUCTURE and ENVELOPE against ours."""

import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailyard.message.parse import parse_message

IMAP = next(
    (path for path in map(Path, ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap")) if path.exists()),
    None,
)
STDLIB = sorted(Path(sysconfig.get_path("stdlib"), "test", "test_email", "data").glob("msg_*.txt"))
NOBODY = "65534"
CONFIG = """
base_dir = {home}/run
log_path = {home}/log
mail_location = maildir:{home}/mail:INDEX=MEMORY
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
ssl = no
protocols = imap
namespace inbox {{
  inbox = yes
}}
"""
# what Dovecot makes of these, and why ours is another
DIFFERS = {
    "msg_14.txt": "a Content-Type of `text` has an empty media type there, here it is text/plain",
    "msg_17.txt": "a multipart without delimiter lines has one empty part there, here it is text",
    "msg_25.txt": "a multipart without boundary has one empty part there, here it is text",
    "msg_31.txt": "a multipart without delimiter lines has one empty part there, here it is text",
    "msg_41.txt": "a multipart without boundary has one empty part there, here it is text",
    "msg_42.txt": "a multipart without delimiter lines has one empty part there, here it is text",
    "msg_29.txt": "continued parameters are put together without percent-encoding the plain sections there",
    "msg_32.txt": "charset* is not seen as a charset there",
    "msg_33.txt": "boundary* is not seen as a boundary there",
}

pytestmark = [
    pytest.mark.skipif(IMAP is None, reason="Dovecot is not installed"),
    pytest.mark.skipif(
        not STDLIB, reason="the standard library's test suite is not installed (libpython3-testsuite)"
    ),
    pytest.mark.skipif(
        os.geteuid() == 0 and not shutil.which("setpriv"),
        reason="Dovecot reads no mail as root, and setpriv is missing",
    ),
]


def with_crlf(octets: bytes) -> bytes:
    return b"\r\n".join(octets.splitlines()) + b"\r\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mailyard-dovecot-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def ask_dovecot(home: Path, messages: list[bytes]) -> list[bytes]:
    """FETCH answers for the messages, without their line ends."""
    as_root = os.geteuid() == 0
    uid, gid = (NOBODY, NOBODY) if as_root else (str(os.geteuid()), str(os.getegid()))
    for name in ("cur", "new", "tmp"):
        (home / "mail" / name).mkdir(parents=True)
    for number, message in enumerate(messages):
        (home / "mail" / "cur" / f"{number:06d}.x:2,").write_bytes(message)
    (home / "dovecot.conf").write_text(CONFIG.format(home=home, uid=uid, gid=gid))
    if as_root:
        for path in (home, *home.rglob("*")):
            os.chown(path, int(uid), int(gid))
    drop = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"] if as_root else []
    commands = b"".join(
        b"f fetch %d (envelope bodystructure)\r\n" % (number + 1) for number in range(len(messages))
    )
    done = subprocess.run(
        [*drop, str(IMAP), "-c", str(home / "dovecot.conf")],
        input=b"a select inbox\r\n" + commands + b"z logout\r\n",
        capture_output=True,
        env={"USER": "x", "HOME": str(home), "PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    if b"a OK" not in done.stdout:
        pytest.skip(f"Dovecot does not run here: {done.stderr[:200]!r}")
    answers = re.findall(rb"\* [0-9]+ FETCH (\(.*?\))\r\n(?=\*|f OK)", done.stdout, re.DOTALL)
    assert len(answers) == len(messages)
    return answers


def in_lower_case(value):
    if isinstance(value, list):
        return list(map(in_lower_case, value))
    return value.lower() if isinstance(value, bytes) else value


def test_structures_and_envelopes_are_those_of_dovecot(home, imap_data):
    paths = [path for path in STDLIB if path.name not in DIFFERS]
    messages = [with_crlf(path.read_bytes()) for path in paths]
    differences = []
    for path, message, answer in zip(paths, messages, ask_dovecot(home, messages), strict=True):
        parsed = parse_message(b"", message)
        theirs = imap_data(
            re.sub(rb"\(ENVELOPE |(?<=\)) BODYSTRUCTURE ", lambda m: b"(" if m[0][0] == 40 else b" ", answer)
        )
        ours = [imap_data(parsed.envelope), imap_data(parsed.bodystructure)]
        if in_lower_case(theirs) != in_lower_case(ours):
            differences.append((path.name, theirs, ours))
    assert differences == []
