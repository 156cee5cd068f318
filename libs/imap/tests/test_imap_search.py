"""SEARCH (RFC 3501, section 6.4.4): every key, charsets, nesting, and limits."""

from datetime import date

import pytest

from mailyard.imap.commands.registry import command
from mailyard.imap.commands.search import SearchCommand
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.grammar.searchkeys import (
    AllMessages,
    And,
    Arrived,
    HasFlag,
    InBody,
    InHeader,
    InText,
    IsNew,
    IsRecent,
    Larger,
    Not,
    Numbered,
    Or,
    Relation,
    SearchKey,
    Sent,
    Smaller,
    WithUid,
)
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.limits import ImapLimits

DAY = date(1994, 2, 1)
SEEN, DRAFT = HasFlag("\\Seen"), HasFlag("\\Draft")


def keys(octets: bytes, limits: ImapLimits | None = None) -> tuple[SearchKey, ...]:
    parsed = command(Cursor(b"SEARCH " + octets, limits))
    assert isinstance(parsed, SearchCommand)
    return parsed.keys


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"2:4,7", Numbered(SequenceSet(((2, 4), (7, 7))))),
        (b"*", Numbered(SequenceSet(((0, 0),)))),
        (b"ALL", AllMessages()),
        (b"ANSWERED", HasFlag("\\Answered")),
        (b"BCC a", InHeader("bcc", "a")),
        (b"BEFORE 1-Feb-1994", Arrived(Relation.BEFORE, DAY)),
        (b"BODY a", InBody("a")),
        (b"CC a", InHeader("cc", "a")),
        (b"DELETED", HasFlag("\\Deleted")),
        (b"DRAFT", DRAFT),
        (b"FLAGGED", HasFlag("\\Flagged")),
        (b"FROM a", InHeader("from", "a")),
        (b"HEADER X-Mailer a", InHeader("x-mailer", "a")),
        (b'HEADER List-Id ""', InHeader("list-id", "")),
        (b"KEYWORD Work", HasFlag("Work")),
        (b"KEYWORD \\seen", SEEN),
        (b"LARGER 0", Larger(0)),
        (b"NEW", IsNew()),
        (b"NOT SEEN", Not(SEEN)),
        (b"OLD", IsRecent(False)),
        (b'ON "01-feb-1994"', Arrived(Relation.ON, DAY)),
        (b"OR SEEN DRAFT", Or((SEEN, DRAFT))),
        (b"RECENT", IsRecent()),
        (b"SEEN", SEEN),
        (b"SENTBEFORE 1-Feb-1994", Sent(Relation.BEFORE, DAY)),
        (b"SENTON 1-Feb-1994", Sent(Relation.ON, DAY)),
        (b"SENTSINCE 1-Feb-1994", Sent(Relation.SINCE, DAY)),
        (b"SINCE 1-Feb-1994", Arrived(Relation.SINCE, DAY)),
        (b"SMALLER 9223372036854775807", Smaller(2**63 - 1)),
        (b"SUBJECT a", InHeader("subject", "a")),
        (b"TEXT a", InText("a")),
        (b"TO a", InHeader("to", "a")),
        (b"UID 7:*", WithUid(SequenceSet(((7, 0),)))),
        (b"UNANSWERED", HasFlag("\\Answered", False)),
        (b"UNDELETED", HasFlag("\\Deleted", False)),
        (b"UNDRAFT", HasFlag("\\Draft", False)),
        (b"UNFLAGGED", HasFlag("\\Flagged", False)),
        (b"UNKEYWORD Work", HasFlag("Work", False)),
        (b"UNSEEN", HasFlag("\\Seen", False)),
        (b"(SEEN DRAFT)", And((SEEN, DRAFT))),
    ],
)
def test_every_key_has_its_meaning_in_any_case(octets: bytes, key: SearchKey) -> None:
    name, space, argument = octets.partition(b" ")
    assert keys(octets) == keys(name.lower() + space + argument) == (key,)


def test_keys_side_by_side_are_several_keys_that_must_all_match() -> None:
    assert keys(b"SEEN DRAFT") == (SEEN, DRAFT)
    assert keys(b"(SEEN) (DRAFT)") == (SEEN, DRAFT)


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"NOT NOT SEEN", SEEN),
        (b"NOT (SEEN DRAFT)", Not(And((SEEN, DRAFT)))),
        (b"OR SEEN OR DRAFT NEW", Or((SEEN, DRAFT, IsNew()))),
        (b"OR OR SEEN DRAFT NEW", Or((SEEN, DRAFT, IsNew()))),
        (b"OR (SEEN DRAFT) NOT NEW", Or((And((SEEN, DRAFT)), Not(IsNew())))),
        (b"((SEEN) ((DRAFT) NEW))", And((SEEN, DRAFT, IsNew()))),
        (b"OR NOT OR SEEN DRAFT NEW", Or((Not(Or((SEEN, DRAFT))), IsNew()))),
        (b"( SEEN  DRAFT )", And((SEEN, DRAFT))),
    ],
)
def test_keys_nest(octets: bytes, key: SearchKey) -> None:
    assert keys(octets) == (key,)


@pytest.mark.parametrize(
    "octets",
    [
        b"NOT",
        b"NOT ",
        b"OR SEEN",
        b"OR(SEEN)DRAFT",
        b"(SEEN",
        b"SEEN)",
        b"(SEEN))",
        b"()",
        b"( )",
        b"SEEN(DRAFT)",
        b"SEEN,DRAFT",
        b"ON",
        b"ON yesterday",
        b"LARGER",
        b"LARGER -1",
        b"LARGER 9223372036854775808",
        b"SMALLER 1k",
        b"UID",
        b"UID SEEN",
        b"HEADER Subject",
        b"HEADER {2}\r\n\xc3\xa9 x",
        b"KEYWORD",
        b"KEYWORD (a)",
        b"KEYWORD a*",
        b"BODY",
        b"MODSEQ 1",  # CONDSTORE is not announced
        b"YOUNGER 60",  # nor is WITHIN
        b"CHARSET UTF-8",
    ],
)
def test_keys_that_break_the_grammar_are_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        keys(octets)


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        (b"US-ASCII", b"cafe", "cafe"),
        (b"utf-8", b"caf\xc3\xa9", "café"),
        (b'"UTF-8"', b"caf\xc3\xa9", "café"),
        (b"ISO-8859-1", b"caf\xe9", "café"),
        (b"windows-1252", b"\x80", "€"),
        (b"KOI8-R", b"\xc4\xcf\xcd", "дом"),
        (b"iso-8859-15", b"\xa4", "€"),
    ],
)
def test_strings_are_decoded_by_the_charset(charset: bytes, octets: bytes, text: str) -> None:
    literal = b"{%d}\r\n%b" % (len(octets), octets)
    assert keys(b"CHARSET %b SUBJECT %b BODY %b" % (charset, literal, literal)) == (
        InHeader("subject", text),
        InBody(text),
    )


def test_without_a_charset_strings_are_utf8_and_octets_that_are_not_are_no_error() -> None:
    assert keys(b"TEXT {3}\r\n\xe2\x82\xac") == (InText("€"),)
    (key,) = keys(b"TEXT {4}\r\nabc\xff")
    assert isinstance(key, InText)
    assert key.text.startswith("abc")


@pytest.mark.parametrize("charset", [b"klingon", b'""', b"{2}\r\n\xff\xfe", b"base64", b"idna"])
def test_an_unknown_charset_is_refused_with_the_code_of_section_7_1(charset: bytes) -> None:
    with pytest.raises(CommandRefused) as refusal:
        keys(b"CHARSET " + charset + b" ALL")
    assert not isinstance(refusal.value, CommandSyntaxError)
    assert refusal.value.code.startswith("BADCHARSET (")


def test_every_charset_of_the_response_code_is_accepted() -> None:
    with pytest.raises(CommandRefused) as refusal:
        keys(b"CHARSET klingon ALL")
    for name in refusal.value.code.removeprefix("BADCHARSET (").removesuffix(")").split():
        assert keys(b"CHARSET %b ALL" % name.encode("ascii")) == (AllMessages(),)


def test_every_key_counts_towards_the_limit_of_keys() -> None:
    limits = ImapLimits(keys=3)
    for octets in (b"SEEN SEEN SEEN", b"NOT NOT SEEN", b"OR SEEN SEEN", b"((SEEN))"):
        assert keys(octets, limits)
    for octets in (b"SEEN SEEN SEEN SEEN", b"NOT NOT NOT SEEN", b"OR SEEN (SEEN)", b"(((SEEN)))"):
        with pytest.raises(CommandSyntaxError, match="Too many search keys"):
            keys(octets, limits)


def test_different_texts_in_bodies_have_a_limit_and_equal_texts_count_once() -> None:
    limits = ImapLimits(texts=2)
    assert len(keys(b"BODY a TEXT b BODY a NOT TEXT a SUBJECT c FROM d", limits)) == 6
    with pytest.raises(CommandRefused) as refusal:
        keys(b"BODY a NOT (TEXT b OR SEEN BODY c)", limits)
    assert refusal.value.code == "LIMIT"


def test_a_search_reads_flags_and_shows_no_expunge_meanwhile() -> None:
    parsed = command(Cursor(b"SEARCH SUBJECT a"))
    assert (parsed.reads_flags, parsed.defers_expunges, parsed.permits_updates_first) == (True, True, False)


@pytest.mark.parametrize(
    ("octets", "permits"),
    [
        (b"UNSEEN", True),
        (b"UID 1:5 NOT SEEN", True),
        (b"1:5", False),
        (b"NOT 1:5", False),
        (b"OR SEEN (DRAFT NOT 1)", False),
    ],
)
def test_uid_search_permits_updates_first_unless_a_key_has_message_numbers(
    octets: bytes, permits: bool
) -> None:
    parsed = command(Cursor(b"UID SEARCH " + octets))
    assert parsed.permits_updates_first is permits
    assert not parsed.defers_expunges
