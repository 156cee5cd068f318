"""SEARCH by the column `summary`: the same messages as by the header, with fewer octets read."""

from dataclasses import replace

import pytest
from imap_dialogue import Dialogue
from imap_doubles import MemoryMessages, World

LETTERS = (
    b"Subject: Caf=C3=A9\r\nDate: Fri, 17 May 2024 23:30:00 -0600\r\n\r\n",
    b"Subject: =?utf-8?Q?Caf=C3=A9?= at ten\r\nDate: Sat, 18 May 2024 01:00:00 +0900\r\n\r\n",
    b"Subject: other\r\nSubject: cafe\r\nDate: nonsense\r\n\r\n",
    b"From: cafe@example.org\r\n\r\n",
    b"Subject: " + b"x" * 5_000 + b" cafe\r\nDate: 1 Jan 2001 00:00:00 +0000 (" + b"y" * 600 + b")\r\n\r\n",
    b"Subject: " + b"x" * 9_000 + b" cafe\r\nDate: 17 May 2024 10:00\r\n\r\n",
    b"Subject:\r\nDate: 31 Dec 9999 23:59:59 -0900\r\n\r\n",
)
KEYS = (
    b"SUBJECT cafe",
    b'SUBJECT ""',
    b"NOT SUBJECT ten",
    b"CHARSET UTF-8 SUBJECT {5+}\r\ncaf\xc3\xa9",
    b"SENTON 17-May-2024",
    b"SENTON 18-May-2024",
    b"SENTBEFORE 1-Jan-2010",
    b"SENTSINCE 1-Jan-9999",
    b"OR SUBJECT cafe SENTON 18-May-2024",
    b"SUBJECT cafe FROM cafe",
    b"OR SUBJECT ten FROM cafe",
    b"SUBJECT cafe BODY x",
    b"NOT TEXT zzz SENTSINCE 1-May-2024",
)


def world(*, old: bool = False) -> World:
    made = World()
    for octets in LETTERS:
        made.deliver("INBOX", octets)
    if old:
        box = made.box("INBOX")
        box.messages = {uid: replace(each, summary=None) for uid, each in box.messages.items()}
    return made


async def search(made: World, keys: bytes) -> bytes:
    dialogue = Dialogue(made)
    client = await dialogue.client("1")
    client.session.connection.receive_data(b"s SELECT INBOX\r\nt SEARCH " + keys + b"\r\n")
    client.channel.wake()
    await client.settle()
    (answer,) = [line for line in bytes(client.channel.sent).split(b"\r\n") if line.startswith(b"* SEARCH")]
    await dialogue.close()
    return answer


@pytest.mark.parametrize("keys", KEYS)
async def test_messages_with_and_without_the_column_are_found_alike(keys: bytes) -> None:
    assert await search(world(), keys) == await search(world(old=True), keys)


async def test_text_and_dates_are_found_by_the_column() -> None:
    assert await search(world(), KEYS[3]) == b"* SEARCH 2"
    assert (
        await search(world(), b"SENTON 17-May-2024") == b"* SEARCH 1 3 4 6"
    )  # 3 and 4 by their internal date


@pytest.mark.parametrize(
    ("keys", "columns"),
    [
        (b"SUBJECT ten", [{"summary"}]),
        (b"SENTON 18-May-2024", [{"internal_date", "summary"}]),
        (b"FROM jane", [{"header_index"}]),
        (b"SUBJECT ten FROM jane", [{"header_index", "summary"}]),
        (b"LARGER 10", [{"size"}]),
    ],
)
async def test_only_short_columns_are_read_where_they_decide(
    monkeypatch: pytest.MonkeyPatch, keys: bytes, columns: list[set[str]]
) -> None:
    made, read, fetch = World(), [], MemoryMessages.fetch
    made.deliver("INBOX", LETTERS[1])

    def noted(self, mailbox, uids, fields):
        read.append(set(fields))
        return fetch(self, mailbox, uids, fields)

    monkeypatch.setattr(MemoryMessages, "fetch", noted)
    await search(made, keys)
    assert read == columns
