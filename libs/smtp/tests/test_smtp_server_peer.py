"""The same dialogues with aiosmtpd, an engine that others wrote: where the RFCs leave no choice, both say the same.

Only reply codes are compared. HELP is left out: RFC 5321 section 4.1.1.8 wants 211 or 214, aiosmtpd says 250.
"""

import asyncio

import pytest
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

from mailyard.smtp.reply import parse_reply, reply
from mailyard.smtp.server.events import MailFrom, MessageEnd, RcptTo
from mailyard.smtp.server.limits import Mode, Profile
from mailyard.smtp.server.session import Session

OK = reply(250, "2.0.0", "Ok")
DIALOGUES = {
    "one message": [
        b"EHLO c\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n", b"DATA\r\n",
        b"Subject: x\r\n\r\n..\r\n.\r\n", b"QUIT\r\n",
    ],
    "two messages": [
        b"HELO c\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<c@d.example>\r\n", b"DATA\r\n", b"x\r\n.\r\n",
        b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n", b"DATA\r\n", b".\r\n", b"QUIT\r\n",
    ],
    "hello first": [b"MAIL FROM:<a@b.example>\r\n", b"QUIT\r\n"],
    "sequence": [
        b"EHLO c\r\n", b"RCPT TO:<c@d.example>\r\n", b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<a@b.example>\r\n",
        b"DATA\r\n", b"RSET\r\n", b"RCPT TO:<c@d.example>\r\n", b"QUIT\r\n",
    ],
    "other commands": [b"NOOP\r\n", b"VRFY x@y.example\r\n", b"EXPN x\r\n", b"WHAT\r\n", b"QUIT\r\n"],
    "size": [b"EHLO c\r\n", b"MAIL FROM:<a@b.example> SIZE=99999999\r\n", b"MAIL FROM:<a@b.example> SIZE=10\r\n", b"QUIT\r\n"],
    "unknown parameter": [b"EHLO c\r\n", b"MAIL FROM:<a@b.example> X=1\r\n", b"QUIT\r\n"],
}  # fmt: skip


def codes(octets: bytes) -> list[int]:
    found = []
    while octets:
        parsed = parse_reply(octets)
        assert parsed is not None, octets
        found.append(parsed[0].code)
        octets = octets[parsed[1] :]
    return found


def ours(dialogue: list[bytes]) -> list[int]:
    session = Session(Profile(Mode.MX, "mx"))
    said = session.take_output()
    for line in dialogue:
        session.receive(line)
        while (event := session.next_event()) is not None:
            if isinstance(event, MailFrom | RcptTo | MessageEnd):
                session.answer(OK)
        said += session.take_output()
    return codes(said)


async def theirs(dialogue: list[bytes]) -> list[int]:
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Sink(), hostname="mx", data_size_limit=50 * 1024 * 1024), "127.0.0.1", 0
    )
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        said = await reader.readuntil(b"\r\n")
        for line in dialogue:
            writer.write(line)
            async with asyncio.timeout(5):
                while True:
                    said += (answer := await reader.readuntil(b"\r\n"))
                    if answer[3:4] == b" ":
                        break
        writer.close()
        return codes(said)
    finally:
        server.close()


@pytest.mark.parametrize("name", DIALOGUES)
async def test_both_engines_give_the_same_codes(name: str) -> None:
    assert ours(DIALOGUES[name]) == await theirs(DIALOGUES[name])
