"""Real mails go in by SMTP and come out by IMAP with identical octets behind the prefix."""

import random
from collections.abc import Callable

import pytest

from tests.e2e import corpus
from tests.e2e.postbox import differences, fetch_all, normalised, send_all
from tests.trial.instance import Instance

HEAD = b"From: a@sender.test\r\nSubject: %b\r\n\r\n"
WITHOUT_EMPTY_LINE = {
    "msg_19.txt",
    "msg_35.txt",
}  # their text gets one: see the test of text without a header section
SEVERE = {
    "every octet but NUL, CR and LF": bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
    + b"\r\n",
    "a line of 100,000 octets": b"x" * 100_000 + b"\r\n",
    "a line of 2 MB with 8-bit octets": b"\xfc" * 2_000_000 + b"\r\n",
    "lines of 998 to 1,001 octets": b"".join(b"y" * size + b"\r\n" for size in range(998, 1002)),
    "dots at line starts": b".\r\n..\r\n.a\r\n\r\n.\r\n...\r\n",
    "empty lines only": b"\r\n" * 200,
    "no final text": b"",
    "UTF-8 and UTF-16 text": "Grüße, 東京".encode() + "東京".encode("utf-16-le") + b"\r\n",
}


async def assert_identical(instance: Instance, account: str, mails: list[tuple[str, bytes]]) -> None:
    sent = await send_all(instance, account, mails)
    problems = differences(sent, await fetch_all(instance, account, len(sent)))
    assert problems == []


def samples(source: Callable[[], list[tuple[str, bytes]]]) -> list[tuple[str, bytes]]:
    try:
        mails = [(name, normalised(raw)) for name, raw in source()]
    except corpus.NotAvailable as reason:
        pytest.skip(str(reason))
    return [(name, raw) for name, raw in mails if b"\x00" not in raw and name not in WITHOUT_EMPTY_LINE]


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


async def test_nul_octets_become_question_marks(instance: Instance, account: str) -> None:
    await send_all(instance, account, [("NUL", HEAD % b"NUL" + b"\x00\r\nab\x00cd\r\n")])
    [found] = await fetch_all(instance, account, 1)
    assert found.endswith(HEAD % b"NUL" + b"?\r\nab?cd\r\n")


async def test_eight_bit_and_very_long_lines_keep_their_octets(instance: Instance, account: str) -> None:
    mails = [(name, HEAD % name.encode() + body) for name, body in SEVERE.items()]
    await assert_identical(instance, account, mails)


async def test_mails_without_a_sound_header_keep_their_octets(instance: Instance, account: str) -> None:
    broken = {
        "no header at all": b"\r\nonly a body\r\n",
        "a header without end": b"Subject: a\r\nX: b\r\n",
        "damage within a header": b"Subject: a\r\nthis is no field\r\nX: b\r\n\r\nbody\r\n",
        "8-bit octets in the header": b"Subject: gr\xfc\xdfe\r\nFrom: \xff\xfe\r\n\r\nbody\r\n",
        "a header of 1,000 fields": b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\nbody\r\n",
        "MIME nested 100 deep": nested(100),
    }
    await assert_identical(instance, account, list(broken.items()))


async def test_text_without_a_header_section_is_text(instance: Instance, account: str) -> None:
    texts = [b"this is no header field\r\nnor: is this\r\n", b" folded\r\nSubject: a\r\n\r\nbody\r\n"]
    await send_all(instance, account, [("text", text) for text in texts])
    found = await fetch_all(instance, account, len(texts))
    assert sorted(octets.partition(b"\r\n\r\n")[2] for octets in found) == sorted(texts)


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
