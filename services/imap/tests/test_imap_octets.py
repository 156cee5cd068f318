"""Messages of every kind come out octet for octet."""

import imaplib
import random

from imap_dialogue import letter
from imap_service import PASSWORD, USER

_RANDOM = random.Random(1)

LETTERS = [
    letter("note"),
    letter("multi"),
    b"no header at all",
    b"\r\n\r\n",
    b"Subject: only a header\r\n",
    b"Subject: 8-bit \xe9\xff\r\nFrom: \xc3\xa9 <a@b>\r\n\r\n\x80\x81\xfe\xff\r\n",
    b"Subject: NUL\r\n\r\na\x00b\x00\r\n",
    b"Subject: bare line ends\n\nx\ny\rz\n",
    b"Subject: long line\r\n\r\n" + b"x" * 1_000_000 + b"\r\n",
    b"Subject: " + b"y" * 100_000 + b"\r\n\r\nlong field\r\n",
    b"Subject: exactly a chunk\r\n\r\n" + b"z" * (261_120 - 28),
    b"Subject: larger than is read whole\r\n\r\n" + _RANDOM.randbytes(700_000),
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nnot closed",
]

# A literal never contains NUL (RFC 3501, section 4.3.1).
SHOWN = [octets.replace(b"\x00", b"\x80") for octets in LETTERS]


def test_messages_of_every_kind_come_out_octet_for_octet(imap_service):
    service = imap_service()
    service.deliver(LETTERS)
    with imaplib.IMAP4("127.0.0.1", service.port, timeout=20) as client:
        client.login(USER, PASSWORD)
        client.select("INBOX", readonly=True)
        status, data = client.fetch("1:*", "(UID RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
        assert status == "OK"
        bodies = [
            part[1]
            for part in data
            if isinstance(part, tuple) and part[0].endswith(f"{{{len(part[1])}}}".encode())
        ]
        assert [body for body in bodies if body in SHOWN] == SHOWN
        # in pieces, across the borders of chunks, header and text apart
        for number, octets in enumerate(SHOWN, start=1):
            pieces = [
                _octets(client, number, f"BODY.PEEK[]<{start}.99991>")
                for start in range(0, len(octets), 99_991)
            ]
            assert b"".join(pieces) == octets
            assert (
                _octets(client, number, "BODY.PEEK[HEADER]") + _octets(client, number, "BODY.PEEK[TEXT]")
                == octets
            )


def _octets(client, number, item):
    status, data = client.fetch(str(number), f"({item})")
    assert status == "OK"
    return data[0][1] if isinstance(data[0], tuple) else b""


def test_appended_messages_of_every_kind_come_out_octet_for_octet(imap_service):
    service = imap_service()
    letters = [
        octets for octets in LETTERS if b"\x00" not in octets and b"\n" not in octets.replace(b"\r\n", b"")
    ]
    with imaplib.IMAP4("127.0.0.1", service.port, timeout=20) as client:
        client.login(USER, PASSWORD)
        for octets in letters:
            assert client.append("Archive", None, None, octets)[0] == "OK"
        client.select("Archive")
        assert [_octets(client, number, "BODY.PEEK[]") for number in range(1, len(letters) + 1)] == letters
