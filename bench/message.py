"""Time to parse a whole message: ENVELOPE, BODY, BODYSTRUCTURE, header index, part index.

Run: python bench/message.py
Prints the best and the median time per mail, and for large mails how much memory the reading took.
"""

import base64
import statistics
import time
import tracemalloc
from typing import NamedTuple

from mailyard.message.parse import parse_message

PREFIX = (
    b"Return-Path: <sender@example.org>\r\n"
    b"Delivered-To: recipient@example.com\r\n"
    b"Received: from client.example.org (client.example.org [192.0.2.7])\r\n"
    b"\tby mx.example.com (Mailyard) with ESMTPS id 0123456789abcdefghij;\r\n"
    b"\tFri, 21 Nov 2025 09:55:06 +0000\r\n"
)
HEADER = (
    b"Received: from inner.example.org (inner.example.org [198.51.100.9])\r\n"
    b"\tby client.example.org (Postfix) with ESMTP id 4QXyZ1\r\n"
    b"\tfor <recipient@example.com>; Fri, 21 Nov 2025 09:55:05 +0000 (UTC)\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail;\r\n"
    b"\th=from:to:subject:date:message-id; bh=" + b"A" * 43 + b"=;\r\n\tb=" + b"B" * 170 + b"\r\n"
    b"Date: Fri, 21 Nov 2025 09:55:04 +0000\r\n"
    b"From: Some Sender <sender@example.org>\r\n"
    b"To: Recipient Name <recipient@example.com>, other@example.net\r\n"
    b"Subject: =?utf-8?Q?A_subject_with_=C3=BCmlauts?= and more\r\n"
    b"Message-ID: <20251121095504.4711@example.org>\r\n"
    b"In-Reply-To: <20251120@example.com>\r\n"
    b"References: <20251119@example.com> <20251120@example.com>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"User-Agent: Example/1.0\r\n"
    b"X-Priority: 3\r\n"
)
LINE = b"The quick brown fox jumps over the lazy dog, again and again.\r\n"


class Sample(NamedTuple):
    """A mail to read, and how often."""

    name: str
    body: bytes
    rounds: int


def plain(size: int) -> bytes:
    """A mail of one text part."""
    text = HEADER + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    return text + LINE * ((size - len(text)) // len(LINE))


def alternative(size: int) -> bytes:
    """A mail with text and HTML."""
    half = LINE * (size // 2 // len(LINE))
    return (
        HEADER + b'Content-Type: multipart/alternative; boundary="=_part"\r\n\r\n'
        b"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + half + b"--=_part\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + half
        + b"--=_part--\r\n"
    )


def attachment(size: int) -> bytes:
    """A mail with a text and a base64 attachment."""
    data = base64.encodebytes(bytes(range(256)) * (size * 3 // 4 // 256)).replace(b"\n", b"\r\n")
    return (
        HEADER + b'Content-Type: multipart/mixed; boundary="=_part"\r\n\r\n'
        b"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + LINE + b"--=_part\r\n"
        b"Content-Type: application/pdf; name=report.pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=report.pdf\r\n\r\n" + data + b"\r\n--=_part--\r\n"
    )


def times(body: bytes, rounds: int) -> list[float]:
    """Seconds that each of some readings took."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        parse_message(PREFIX, body)
        found.append(time.perf_counter() - start)
    return found


def extra_memory(body: bytes) -> int:
    """Octets that reading took at its highest, beside the body."""
    tracemalloc.start()
    parse_message(PREFIX, body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    """Measure all samples and print a table."""
    samples = [
        Sample("7 KB, one text part", plain(7000), 5000),
        Sample("7 KB, text and HTML", alternative(7000), 5000),
        Sample("100 KB with attachment", attachment(100_000), 1000),
        Sample("25 MB, text", plain(25_000_000), 5),
        Sample("25 MB with attachment", attachment(25_000_000), 5),
    ]
    print(f"{'mail':26} {'best µs':>10} {'median µs':>10} {'peak KB':>8}")
    for sample in samples:
        found = times(sample.body, sample.rounds)
        best, median = min(found) * 1e6, statistics.median(found) * 1e6
        print(f"{sample.name:26} {best:10.1f} {median:10.1f} {extra_memory(sample.body) / 1024:8.0f}")


if __name__ == "__main__":
    main()
