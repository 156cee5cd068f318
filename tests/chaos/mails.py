"""Numbered mails: each attempt to send has its own number, and its octets follow from seed and number alone."""

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

MARK = b"X-Trial-Number: "
NUMBER = re.compile(rb"^X-Trial-Number: (\d+)\r\n", re.MULTILINE)
LARGE_SHARE = 0.01
MEDIUM_SHARE = 0.06
SEVERAL_RECIPIENTS_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be sent once, in as many attempts as it takes."""

    recipients: tuple[str, ...]
    size: int


def plan(seed: int, count: int, mailboxes: Sequence[str]) -> list[Mail]:
    """The mails of a run: mostly one recipient and a few kilobytes, some several recipients, some large."""
    chance = random.Random(f"mails {seed}")
    return [Mail(_recipients(chance, mailboxes), _size(chance)) for _ in range(count)]


def _recipients(chance: random.Random, mailboxes: Sequence[str]) -> tuple[str, ...]:
    several = chance.random() < SEVERAL_RECIPIENTS_SHARE
    return tuple(chance.sample(mailboxes, chance.randint(2, min(5, len(mailboxes))) if several else 1))


def _size(chance: random.Random) -> int:
    kind = chance.random()
    if kind < LARGE_SHARE:
        return chance.randint(400_000, 1_200_000)  # several chunks of 255 KiB
    return chance.randint(20_000, 120_000) if kind < MEDIUM_SHARE else chance.randint(300, 9_000)


def compose(seed: int, number: int, size: int) -> bytes:
    """Octets of an attempt, CRLF throughout, with dots at line starts and 8-bit octets."""
    chance = random.Random(f"octets {seed} {number}")
    line = bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz .\xe4\xf6\xfc", k=70)) + b"\r\n"
    head = (
        MARK + b"%d\r\n" % number + b"From: trial@sender.test\r\nTo: reader@chaos.test\r\n"
        b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nSubject: trial %d\r\nMessage-ID: <%d.%d@sender.test>\r\n"
        % (number, seed, number)
        + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n.dot\r\n..two\r\n"
    )
    return head + line * max(1, (size - len(head)) // len(line)) + b"end %d\r\n" % chance.randrange(10**9)


def digest(octets: bytes) -> str:
    """What two equal mails have in common."""
    return hashlib.sha256(octets).hexdigest()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail found in a mailbox: its number (None: not one of ours) and the digest of all after the prefix."""

    mailbox: str
    uid: int
    number: int | None
    digest: str


def recognise(mailbox: str, uid: int, octets: bytes) -> Arrival:
    """Find the number; what stands before it is the prefix that the server added."""
    found = NUMBER.search(octets)
    if found is None:
        return Arrival(mailbox, uid, None, digest(octets))
    return Arrival(mailbox, uid, int(found[1]), digest(octets[found.start() :]))
