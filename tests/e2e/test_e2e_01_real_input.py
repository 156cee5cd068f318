"""Real mails go in by SMTP and come out by IMAP with identical octets behind the prefix."""

import random
from collections.abc import Callable

import pytest

from tests.e2e import corpus
from tests.e2e.postbox import differences, fetch_all, normalised, send_all
from tests.trial.instance import Instance

HEAD = b"From: a@sender.test\r\nSubject: %b\r\n\r\n"
SEVERE = {
    "every octet but CR and LF": bytes(octet for octet in range(256) if octet not in b"\r\n") + b"\r\n",
    "NUL octets": b"\x00" * 500 + b"\r\nab\x00cd\r\n",
    "a line of 100,000 octets": b"x" * 100_000 + b"\r\n",
    "a line of 2 MB with 8-bit octets": b"\xfc" * 2_000_000 + b"\r\n",
    "lines of 998 to 1,001 octets": b"".join(b"y" * size + b"\r\n" for size in range(998, 1002)),
    "dots at line starts": b".\r\n..\r\n.a\r\n\r\n.\r\n...\r\n",
    "empty lines only": b"\r\n" * 200,
    "no final text": b"",
    "UTF-8 and UTF-16 text": "Grüße, 東京".encode()
    + "Grüße".encode("utf-16-le").replace(b"\n", b"")
    + b"\r\n",
}


async def assert_identical(instance: Instance, account: str, mails: list[tuple[str, bytes]]) -> None:
    sent = await send_all(instance, account, mails)
    problems = differences(sent, await fetch_all(instance, account, len(sent)))
    assert problems == []


def samples(source: Callable[[], list[tuple[str, bytes]]]) -> list[tuple[str, bytes]]:
    try:
        return [(name, normalised(raw)) for name, raw in source()]
    except corpus.NotAvailable as reason:
        pytest.skip(str(reason))


async def test_all_sample_mails_of_pythons_email_tests_keep_their_octets(
    instance: Instance, account: str
) -> None:
    mails = samples(corpus.python_samples)
    assert len(mails) > 40
    await assert_identical(instance, account, mails)


async def test_all_sample_mails_of_mail_parser_keep_their_octets(instance: Instance, account: str) -> None:
    mails = samples(corpus.mail_parser_samples)
    assert len(mails) > 15
    await assert_identical(instance, account, mails)


async def test_eight_bit_nul_and_very_long_lines_keep_their_octets(instance: Instance, account: str) -> None:
    mails = [(name, HEAD % name.encode() + body) for name, body in SEVERE.items()]
    await assert_identical(instance, account, mails)


async def test_mails_without_a_sound_header_keep_their_octets(instance: Instance, account: str) -> None:
    broken = {
        "no header at all": b"\r\nonly a body\r\n",
        "text from the first line": b"this is no header field\r\nnor is this\r\n",
        "a header without end": b"Subject: a\r\nX: b\r\n",
        "a folded first line": b" folded\r\nSubject: a\r\n\r\nbody\r\n",
        "8-bit octets in the header": b"Subject: gr\xfc\xdfe\r\nFrom: \xff\xfe\r\n\r\nbody\r\n",
        "a header of 1,000 fields": b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\nbody\r\n",
        "MIME nested 100 deep": nested(100),
    }
    await assert_identical(instance, account, list(broken.items()))


async def test_a_mail_of_25_megabytes_keeps_its_octets(instance: Instance, account: str) -> None:
    chance = random.Random(25)
    line = chance.randbytes(900).replace(b"\r", b"r").replace(b"\n", b"n") + b"\r\n"
    body = b"".join(b"%08d" % number + line for number in range(25 * 2**20 // (len(line) + 8)))
    await assert_identical(instance, account, [("25 MB", HEAD % b"large" + body)])


def nested(depth: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth)
    )
    closed = b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))
    return b"MIME-Version: 1.0\r\n" + opened + b"Content-Type: text/plain\r\n\r\ndeep\r\n" + closed
