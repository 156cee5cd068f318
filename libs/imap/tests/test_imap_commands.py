"""The command parser: known answers from the RFCs, and every command there and back."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from imap_encoding import encode
from imap_strategies import appends, commands

from mailyard.imap.commands.append import AppendCommand, append_head
from mailyard.imap.commands.authentication import AuthenticateCommand, LoginCommand
from mailyard.imap.commands.fetch import BodyItem, FetchCommand, Item, Rfc822Item
from mailyard.imap.commands.listing import ListCommand, LsubCommand
from mailyard.imap.commands.mailboxes import (
    CreateCommand,
    RenameCommand,
    SelectCommand,
    StatusCommand,
    StatusItem,
)
from mailyard.imap.commands.registry import command, verb
from mailyard.imap.commands.search import SearchCommand
from mailyard.imap.commands.session import IdCommand, NoopCommand
from mailyard.imap.commands.store import StoreCommand
from mailyard.imap.commands.transfer import CopyCommand, ExpungeCommand, MoveCommand
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.grammar.searchkeys import (
    And,
    Arrived,
    HasFlag,
    InHeader,
    InText,
    IsNew,
    Not,
    Numbered,
    Or,
    Relation,
    Sent,
    WithUid,
)
from mailyard.imap.grammar.sections import Partial, Section, SectionText
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.limits import ImapLimits
from mailyard.imap.wellknown import FlagChange

_FAST = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"noop", NoopCommand()),
        (b"LOGIN SMITH SESAME", LoginCommand(b"SMITH", b"SESAME")),
        (b'LOGIN {5}\r\nsmith "se same"', LoginCommand(b"smith", b"se same")),
        (b"AUTHENTICATE plain", AuthenticateCommand("PLAIN")),
        (b"AUTHENTICATE PLAIN =", AuthenticateCommand("PLAIN", b"=")),
        (b"SELECT inbox", SelectCommand("INBOX")),
        (b"CREATE owatagusiam/", CreateCommand("owatagusiam/")),
        (b"CREATE MySent (USE (\\sent))", CreateCommand("MySent", "\\Sent")),  # RFC 6154
        (b"RENAME blurdybloop sarasoop", RenameCommand("blurdybloop", "sarasoop")),
        (b'LIST "" %', ListCommand("", "%")),
        (b'LSUB "#news." "comp.mail.*"', LsubCommand("#news.", "comp.mail.*")),
        (b"STATUS x (UIDNEXT MESSAGES)", StatusCommand("x", (StatusItem.UIDNEXT, StatusItem.MESSAGES))),
        (b"FETCH 1:* FAST", FetchCommand(SequenceSet(((1, 0),)), _FAST)),
        (b"FETCH 1 all", FetchCommand(SequenceSet(((1, 1),)), (*_FAST, Item.ENVELOPE))),
        (b"FETCH 1 FULL", FetchCommand(SequenceSet(((1, 1),)), (*_FAST, Item.ENVELOPE, Item.BODY))),
        (b"UID FETCH 7 RFC822.HEADER", FetchCommand(SequenceSet(((7, 7),)), (Rfc822Item.HEADER,), True)),
        (
            b"FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",  # RFC 3501, section 6.4.5
            FetchCommand(
                SequenceSet(((2, 4),)),
                (Item.FLAGS, BodyItem(Section((), SectionText.FIELDS, (b"DATE", b"FROM")))),
            ),
        ),
        (
            b"FETCH 1 body.peek[1.2]<0.2048>",
            FetchCommand(SequenceSet(((1, 1),)), (BodyItem(Section((1, 2)), True, Partial(0, 2048)),)),
        ),
        (
            b"STORE 2:4 +FLAGS (\\Deleted)",
            StoreCommand(SequenceSet(((2, 4),)), FlagChange.ADD, frozenset({"\\Deleted"})),
        ),
        (
            b"UID STORE 1 -flags.silent \\Seen Work",
            StoreCommand(
                SequenceSet(((1, 1),)), FlagChange.REMOVE, frozenset({"\\Seen", "Work"}), True, True
            ),
        ),
        (b"STORE 1 FLAGS ()", StoreCommand(SequenceSet(((1, 1),)), FlagChange.REPLACE, frozenset())),
        (
            b'SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"',  # RFC 3501, section 6.4.4
            SearchCommand(
                (
                    HasFlag("\\Flagged"),
                    Arrived(Relation.SINCE, date(1994, 2, 1)),
                    Not(InHeader("from", "Smith")),
                )
            ),
        ),
        (b"SEARCH CHARSET utf-8 TEXT {6}\r\n\xd0\xb4\xd0\xbe\xd0\xbc", SearchCommand((InText("дом"),))),
        (b"SEARCH CHARSET iso-8859-1 SUBJECT {1}\r\n\xe9", SearchCommand((InHeader("subject", "é"),))),
        (
            b"UID SEARCH OR (NEW 1:5) UNDRAFT UID 7:*",
            SearchCommand(
                (
                    Or((And((IsNew(), Numbered(SequenceSet(((1, 5),))))), HasFlag("\\Draft", False))),
                    WithUid(SequenceSet(((7, 0),))),
                ),
                True,
            ),
        ),
        (b"SEARCH SENTON 5-Mar-2020", SearchCommand((Sent(Relation.ON, date(2020, 3, 5)),))),
        (b"COPY 2:4 MEETING", CopyCommand(SequenceSet(((2, 4),)), "MEETING")),
        (b"UID MOVE 42:69 foo", MoveCommand(SequenceSet(((42, 69),)), "foo", True)),
        (b"EXPUNGE", ExpungeCommand()),
        (b"UID EXPUNGE 3000:3002", ExpungeCommand(SequenceSet(((3000, 3002),)))),
        (b"ID NIL", IdCommand(None)),
        (b'ID ("name" "sodr" "version" NIL)', IdCommand(((b"name", b"sodr"), (b"version", None)))),
    ],
)
def test_commands_known_from_the_rfcs(octets, value):
    assert command(Cursor(octets)) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"FROB",
        b"UID",
        b"UID NOOP",
        b"UID APPEND x",
        b"NOOP x",
        b"LOGIN a",
        b"LOGIN a b c",
        b"SELECT",
        b"STATUS x ()",
        b"STATUS x (FOO)",
        b"FETCH 1",
        b"FETCH 1 ()",
        b"FETCH 1 (FAST)",
        b"FETCH 1 BODY[",
        b"FETCH 1 BODY[]<0.0>",
        b"FETCH 1 BODY[]<0>",
        b"FETCH 0 FLAGS",
        b"STORE 1 FLAG (a)",
        b"STORE 1 FLAGS (\\Recent)",
        b"SEARCH",
        b"SEARCH FOO",
        b"SEARCH NOT",
        b"SEARCH OR SEEN",
        b"SEARCH ()",
        b"SEARCH (SEEN",
        b"SEARCH ON 1-Foo-2000",
        b"CREATE x (USE (\\Sent \\Junk))",
        b"CREATE x (USE (\\Foo))",
        b"APPEND INBOX",
        b"ID (" + b" ".join([b'"a" "b"'] * 31) + b")",
    ],
)
def test_commands_that_break_the_grammar_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        command(Cursor(octets))


def test_an_unknown_charset_is_refused_with_those_that_are_known():
    with pytest.raises(CommandRefused) as refusal:
        command(Cursor(b"SEARCH CHARSET klingon TEXT x"))
    assert refusal.value.code.startswith("BADCHARSET (US-ASCII UTF-8")


def test_search_keys_have_a_largest_number():
    with pytest.raises(CommandSyntaxError, match="Too many"):
        command(Cursor(b"SEARCH SEEN SEEN SEEN", ImapLimits(keys=2)))


def test_a_password_is_not_in_what_is_printed_of_a_login():
    assert "SESAME" not in repr(LoginCommand(b"SMITH", b"SESAME"))
    assert "c2Vj" not in repr(AuthenticateCommand("PLAIN", b"c2Vj"))


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"APPEND saved-messages ", AppendCommand("saved-messages")),
        (b"APPEND x (\\Seen) ", AppendCommand("x", frozenset({"\\Seen"}))),
        (
            b'APPEND x (a b) " 1-Jan-2020 00:00:00 +0000" ',
            AppendCommand("x", frozenset({"a", "b"}), datetime(2020, 1, 1, tzinfo=UTC)),
        ),
        (b"APPEND ", None),
    ],
)
def test_append_is_parsed_up_to_its_literal(octets, value):
    cursor = Cursor(octets)
    assert verb(cursor) == b"APPEND"
    assert append_head(cursor) == value


@given(commands)
def test_every_command_parses_to_itself(value):
    assert command(Cursor(encode(value))) == value


@given(appends)
def test_every_append_parses_to_itself(value):
    cursor = Cursor(encode(value))
    assert verb(cursor) == b"APPEND"
    assert append_head(cursor) == value
