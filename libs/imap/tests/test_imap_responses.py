"""Responses as exact octets (RFC 3501, section 7), and the capabilities of each state (section 6.1.1)."""

import pytest

from mailyard.imap.server import responses
from mailyard.imap.server.capabilities import capabilities
from mailyard.imap.server.responses import bad, no, ok
from mailyard.imap.states import SessionState


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (responses.tagged("a1", ok("NOOP completed")), b"a1 OK NOOP completed\r\n"),
        (responses.tagged("a1", no("No such mailbox", "NONEXISTENT")), b"a1 NO [NONEXISTENT] No such mailbox\r\n"),
        (responses.tagged("*", bad("Expected a tag")), b"* BAD Expected a tag\r\n"),
        (responses.bye("Bye", "UNAVAILABLE"), b"* BYE [UNAVAILABLE] Bye\r\n"),
        (responses.continuation("idling"), b"+ idling\r\n"),
        (responses.continuation(), b"+ \r\n"),
        (responses.capability(("IMAP4rev1", "IDLE")), b"* CAPABILITY IMAP4rev1 IDLE\r\n"),
        (responses.mailbox_line("LIST", ("\\HasNoChildren",), "Entw\u00fcrfe"),
         b'* LIST (\\HasNoChildren) "/" Entw&APw-rfe\r\n'),
        (responses.mailbox_line("LIST", ("\\Noselect",), ""), b'* LIST (\\Noselect) "/" ""\r\n'),
        (responses.mailbox_line("LSUB", (), "a b"), b'* LSUB () "/" "a b"\r\n'),
        (responses.mailbox_status("INBOX", ((b"MESSAGES", 2), (b"UNSEEN", 0))),
         b"* STATUS INBOX (MESSAGES 2 UNSEEN 0)\r\n"),
        (responses.namespace(), b'* NAMESPACE (("" "/")) NIL NIL\r\n'),
        (responses.identity((("name", "Mailyard"),)), b'* ID ("name" "Mailyard")\r\n'),
        (responses.flags({"b", "\\Seen", "\\Answered"}), b"* FLAGS (\\Answered \\Seen b)\r\n"),
        (responses.permanent_flags(()), b"* OK [PERMANENTFLAGS ()] Flags that are kept\r\n"),
        (responses.exists(3), b"* 3 EXISTS\r\n"),
        (responses.recent(0), b"* 0 RECENT\r\n"),
        (responses.expunged(7), b"* 7 EXPUNGE\r\n"),
        (responses.fetched(1, b"UID 4"), b"* 1 FETCH (UID 4)\r\n"),
    ],
)  # fmt: skip
def test_each_response_has_its_octets(octets: bytes, expected: bytes) -> None:
    assert octets == expected


def test_the_text_of_a_response_stays_on_one_line_of_printable_ascii() -> None:
    assert responses.tagged("a", no("caf\u00e9\r\n* BYE")) == b"a NO caf?* BYE\r\n"


def test_mechanisms_are_offered_only_where_a_password_may_be_sent() -> None:
    before = capabilities(SessionState.NOT_AUTHENTICATED, may_start_tls=True, may_log_in=False)
    assert before[-2:] == ("STARTTLS", "LOGINDISABLED")
    under_tls = capabilities(SessionState.NOT_AUTHENTICATED, may_start_tls=False, may_log_in=True)
    assert "AUTH=PLAIN" in under_tls
    assert not {"STARTTLS", "LOGINDISABLED"} & set(under_tls)


def test_extensions_are_the_same_before_and_after_login() -> None:
    before = capabilities(SessionState.NOT_AUTHENTICATED, may_start_tls=False, may_log_in=True)
    after = capabilities(SessionState.SELECTED, may_start_tls=False, may_log_in=True)
    assert set(before) - set(after) == {each for each in before if each.startswith("AUTH=")}
    assert after[0] == "IMAP4rev1"
