"""The column `summary`: written, read, copied, and replaced by the header index in rows of versions up to 0.3.0."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from bson import ObjectId
from mailbox_builders import MOMENT

from mailyard.mailbox.factory import new_message
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox, Message
from mailyard.mailbox.rows import MESSAGES
from mailyard.mailbox.summaries import FALLBACK_FIELDS, summary_in, summary_of, summary_row
from mailyard.message.parse import parse_message
from mailyard.message.summary import NamedAddress, Summary
from mailyard.store.client import Store

ACCOUNT = ObjectId()
OCTETS = (
    b"From: Jane <jane@example.org>\r\nTo: a@b.test, C <c@d.test>\r\nSubject: =?utf-8?Q?Caf=C3=A9?=\r\n"
    b"Date: Fri, 21 Nov 1997 23:55:06 -0600\r\n\r\nHello\r\n"
)
SUMMARY = Summary(
    from_=(NamedAddress("Jane", "jane@example.org"),),
    to=(NamedAddress("", "a@b.test"), NamedAddress("C", "c@d.test")),
    subject="Café",
    sent_at=datetime(1997, 11, 21, 23, 55, 6, tzinfo=timezone(timedelta(hours=-6))),
)


@pytest.fixture
async def inbox(store: Store) -> Mailbox:
    """An INBOX with one message."""
    await Mailboxes(store).ensure_defaults(ACCOUNT)
    inbox = await Mailboxes(store).get(ACCOUNT, "INBOX")
    new = new_message(
        parse_message(b"", OCTETS),
        account=ACCOUNT,
        blob_id=ObjectId(),
        body_size=len(OCTETS),
        internal_date=MOMENT,
    )
    await insert_messages(store, [Insertion(inbox.id, new)])
    return await Mailboxes(store).by_id(ACCOUNT, inbox.id)


async def first(store: Store, mailbox: Mailbox, fields: frozenset[str] = FALLBACK_FIELDS) -> Message:
    (message,) = [each async for each in Messages(store).fetch(mailbox, [1], fields)]
    return message


def test_a_row_says_the_zone_and_only_what_is_not_usual() -> None:
    row = summary_row(SUMMARY)
    assert row["sent_zone"] == -360
    assert "exact" not in row
    assert summary_in(row) == SUMMARY
    assert summary_in(None) is None


@pytest.mark.parametrize(
    "summary", [Summary(), Summary(is_exact=False), Summary(subject="", from_=SUMMARY.to)]
)
def test_what_is_absent_comes_back_as_absent(summary: Summary) -> None:
    assert summary_in(summary_row(summary)) == summary


async def test_the_summary_is_stored_and_read(store: Store, inbox: Mailbox) -> None:
    message = await first(store, inbox)
    assert message.summary == SUMMARY
    assert message.summary.sent_at is not None
    assert message.summary.sent_at.date() == datetime(1997, 11, 21, tzinfo=UTC).date()
    assert summary_of(message) == SUMMARY
    assert (await first(store, inbox, frozenset({"size"}))).summary is None


async def test_the_body_structure_stays_readable_under_its_old_column(store: Store, inbox: Mailbox) -> None:
    row = await store.collection(MESSAGES).find_one({"mailbox": inbox.id})
    assert row is not None
    parsed = parse_message(b"", OCTETS)
    assert row["body"] == parsed.imap_body
    assert (await first(store, inbox, frozenset({"imap_body"}))).imap_body == parsed.imap_body


async def test_a_copy_has_the_summary_too(store: Store, inbox: Mailbox) -> None:
    archive = await Mailboxes(store).get(ACCOUNT, "Archive")
    await Messages(store).copy(inbox, [1], archive)
    assert (await first(store, await Mailboxes(store).get(ACCOUNT, "Archive"))).summary == SUMMARY


async def test_a_row_of_an_older_version_is_read_from_its_header_index_and_can_be_copied(
    store: Store, inbox: Mailbox
) -> None:
    await store.collection(MESSAGES).update_many({}, {"$unset": {"summary": ""}})
    old = await first(store, inbox)
    assert old.summary is None
    assert summary_of(old) == SUMMARY
    archive = await Mailboxes(store).get(ACCOUNT, "Archive")
    await Messages(store).copy(inbox, [1], archive)
    copy = await first(store, await Mailboxes(store).get(ACCOUNT, "Archive"))
    assert (copy.summary, summary_of(copy)) == (None, SUMMARY)
