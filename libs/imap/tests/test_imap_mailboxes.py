"""Commands that name mailboxes, LIST and LSUB, and the modified UTF-7 of names (RFC 3501, sections 5.1 and 6.3)."""

import pytest

from mailyard.imap.commands.listing import ListCommand, LsubCommand
from mailyard.imap.commands.mailboxes import (
    CreateCommand,
    DeleteCommand,
    ExamineCommand,
    RenameCommand,
    SelectCommand,
    StatusCommand,
    StatusItem,
    SubscribeCommand,
    UnsubscribeCommand,
)
from mailyard.imap.commands.registry import command
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.grammar.names import (
    MAX_ENCODED,
    InvalidMailboxName,
    decode_name,
    encode_mailbox,
    encode_name,
    mailbox,
)
from mailyard.imap.wellknown import SPECIAL_USES


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        (b"SELECT", SelectCommand),
        (b"EXAMINE", ExamineCommand),
        (b"CREATE", CreateCommand),
        (b"DELETE", DeleteCommand),
        (b"SUBSCRIBE", SubscribeCommand),
        (b"UNSUBSCRIBE", UnsubscribeCommand),
    ],
)
def test_a_name_may_be_an_atom_a_quoted_string_or_a_literal(verb: bytes, kind: type[SelectCommand]) -> None:
    for argument in (b"a&APw-b", b'"a&APw-b"', b"{7}\r\na&APw-b", b"{7+}\r\na&APw-b"):
        assert command(Cursor(verb + b" " + argument)) == kind("aüb")
    for argument in (b"", b" ", b" a b", b" (a)", b" a*", b" a%", b' "a', b" {8}\r\na&APw-b"):
        with pytest.raises(CommandSyntaxError):
            command(Cursor(verb + argument))


@pytest.mark.parametrize(
    "octets",
    [b"SELECT &AGE-", b'EXAMINE "a\xc3\xa9"', b"RENAME a &", b"STATUS &A- (UIDNEXT)", b"COPY 1 &AAA-"],
)
def test_a_name_that_cannot_exist_is_refused_with_no_and_not_with_bad(octets: bytes) -> None:
    with pytest.raises(CommandRefused) as refusal:
        command(Cursor(octets))
    assert not isinstance(refusal.value, CommandSyntaxError)
    assert refusal.value.code == "CANNOT"


@pytest.mark.parametrize(
    ("octets", "command_"),
    [
        (b"CREATE a/b/", CreateCommand("a/b/")),
        (b"CREATE x (USE ())", CreateCommand("x")),
        (b"CREATE x (use (\\DRAFTS))", CreateCommand("x", "\\Drafts")),
        (b"CREATE x (USE ( \\All ))", CreateCommand("x", "\\All")),
        (b"RENAME inbox INBOX/old", RenameCommand("INBOX", "INBOX/old")),
        (b'RENAME "a b" {1}\r\nc', RenameCommand("a b", "c")),
        (b"STATUS inbox (messages)", StatusCommand("INBOX", (StatusItem.MESSAGES,))),
        (
            b"STATUS x (UNSEEN UIDVALIDITY RECENT UNSEEN)",
            StatusCommand(
                "x",
                (StatusItem.UNSEEN, StatusItem.UIDVALIDITY, StatusItem.RECENT, StatusItem.UNSEEN),
            ),
        ),
    ],
)
def test_commands_with_more_arguments_than_a_name(octets: bytes, command_: object) -> None:
    assert command(Cursor(octets)) == command_


@pytest.mark.parametrize("use", SPECIAL_USES)
def test_every_special_use_of_rfc_6154_can_be_given_to_a_new_mailbox(use: str) -> None:
    assert command(Cursor(b"CREATE x (USE (%b))" % use.lower().encode("ascii"))) == CreateCommand("x", use)


@pytest.mark.parametrize(
    "octets",
    [
        b"CREATE x ()",
        b"CREATE x (USE)",
        b"CREATE x (USE \\Sent)",
        b"CREATE x (USE (\\Sent)",
        b"CREATE x (USE (Sent))",
        b"CREATE x (USE (\\Inbox))",
        b"CREATE x (FOO (\\Sent))",
        b"CREATE x (USE (\\Sent)) y",
        b"RENAME a",
        b"RENAME a b c",
        b"STATUS x",
        b"STATUS x MESSAGES",
        b"STATUS x (HIGHESTMODSEQ)",  # CONDSTORE is not announced
        b"STATUS x (MESSAGES",
        b"NAMESPACE x",
        b"CHECK x",
        b"CLOSE x",
        b"UNSELECT x",
    ],
)
def test_arguments_that_break_the_grammar_are_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        command(Cursor(octets))


@pytest.mark.parametrize(
    ("octets", "reference", "pattern"),
    [
        (b'"" ""', "", ""),
        (b'"" *', "", "*"),
        (b"~/Mail/ %", "~/Mail/", "%"),
        (b'{0}\r\n "*%"', "", "*%"),
        (b'"" a]*', "", "a]*"),
        (b'"" &ZeVnLIqe-/%', "", "日本語/%"),
        (b'"" inbox', "", "inbox"),  # patterns keep their case: only INBOX itself is matched in any
    ],
)
def test_list_and_lsub_have_a_reference_and_a_pattern(octets: bytes, reference: str, pattern: str) -> None:
    assert command(Cursor(b"LIST " + octets)) == ListCommand(reference, pattern)
    assert command(Cursor(b"lsub " + octets)) == LsubCommand(reference, pattern)


@pytest.mark.parametrize("octets", [b'"" &*', b'"" "\xc3\xa9*"', b"&AGE- *", b'"" "\x01"'])
def test_a_pattern_that_no_name_can_match_is_no_error_and_matches_nothing(octets: bytes) -> None:
    parsed = command(Cursor(b"LIST " + octets))
    assert isinstance(parsed, ListCommand)
    with pytest.raises(InvalidMailboxName):
        decode_name((parsed.reference + parsed.pattern).replace("*", "").encode("ascii"))


@pytest.mark.parametrize(
    "octets", [b"", b'""', b"* ", b'"" (a)', b'"" (INBOX %)', b'"" % x', b'(SUBSCRIBED) "" *']
)
def test_list_without_exactly_two_arguments_is_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        command(Cursor(b"LIST " + octets))


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("", b""),
        ("&", b"&-"),
        ("&&", b"&-&-"),
        ("A&-B", b"A&--B"),
        ("~`!@#$%^*()", b"~`!@#$%^*()"),
        ("é", b"&AOk-"),
        ("éa", b"&AOk-a"),
        ("é&", b"&AOk-&-"),
        ("äöü", b"&AOQA9gD8-"),
        ("☺!", b"&Jjo-!"),  # RFC 2152 has it as "+Jjo-!"
        ("台北", b"&U,BTFw-"),  # "," stands for the "/" of base64
        ("😀", b"&2D3eAA-"),  # a surrogate pair
        ("\u00a0", b"&AKA-"),
    ],
)
def test_a_name_has_exactly_one_encoding(name: str, octets: bytes) -> None:
    assert encode_name(name) == octets
    assert decode_name(octets) == name


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"a&", "does not end"),
        (b"&Jjo!", "does not end"),  # RFC 3501, section 5.1.3: the shift back to US-ASCII is not implicit
        (b"&Jjo", "does not end"),
        (b"&U/BTFw-", "does not end"),  # "/" is no character of modified base64
        (b"&Jj-", "not base64 of UTF-16"),
        (b"&AOkA-", "not base64 of UTF-16"),
        (b"&J-", "not base64 of UTF-16"),
        (b"&2D0-", "not base64 of UTF-16"),  # half a surrogate pair
        (b"&3gDYPQ-", "not base64 of UTF-16"),  # a pair the wrong way round
        (b"&AEEA6Q-", "canonical"),  # "A" is printable
        (b"&U,BTFw-&ZeVnLIqe-", "canonical"),  # RFC 3501: the null shift is superfluous
        (b"&AAo-", "control"),
        (b"&AIU-", "control"),
        (b"&ICg-", "control"),
        (b"a\tb", "modified UTF-7"),
        (b"\x7f", "modified UTF-7"),
        (b"caf\xc3\xa9", "modified UTF-7"),
    ],
)
def test_octets_that_are_not_a_name_are_refused_with_the_reason(octets: bytes, reason: str) -> None:
    with pytest.raises(InvalidMailboxName, match=reason):
        decode_name(octets)


def test_an_encoded_name_has_as_many_octets_as_the_limit() -> None:
    assert decode_name(b"a" * MAX_ENCODED) == "a" * MAX_ENCODED
    with pytest.raises(InvalidMailboxName, match="too long"):
        decode_name(b"a" * (MAX_ENCODED + 1))
    assert len(encode_name("\U0001f600a" * 200)) <= MAX_ENCODED  # 1,000 octets in UTF-8


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"iNbOx", "INBOX"),
        (b"inbox/a", "inbox/a"),
        (b"inboxes", "inboxes"),
        (b'" inbox"', " inbox"),
        (b"&AOk-", "é"),
    ],
)
def test_only_the_whole_name_inbox_has_no_case(octets: bytes, name: str) -> None:
    assert mailbox(Cursor(octets)) == name


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("INBOX", b"INBOX"),
        ("a/b]c", b"a/b]c"),
        ("a b", b'"a b"'),
        ('a"b', b'"a\\"b"'),
        ("a\\b", b'"a\\\\b"'),
        ("a*", b'"a*"'),
        ("(x)", b'"(x)"'),
        ("nil", b'"nil"'),
        ("", b'""'),
        ("é x", b'"&AOk- x"'),
        ("{5}", b'"{5}"'),
    ],
)
def test_a_name_in_a_response_is_quoted_where_it_is_no_atom(name: str, octets: bytes) -> None:
    assert encode_mailbox(name) == octets
