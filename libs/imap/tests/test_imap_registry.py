"""The table of commands: verbs, states, and when changes by other sessions may be announced."""

import pytest

from mailyard.imap.commands.authentication import AuthenticateCommand, LoginCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.registry import command
from mailyard.imap.commands.session import MAX_ID_FIELDS, IdCommand
from mailyard.imap.commands.store import StoreCommand
from mailyard.imap.commands.transfer import CopyCommand, ExpungeCommand, MoveCommand
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.limits import ImapLimits
from mailyard.imap.states import AFTER_LOGIN, ANY_STATE, BEFORE_LOGIN, MAILBOX_SELECTED, SessionState
from mailyard.imap.wellknown import FlagChange

ONE = SequenceSet(((1, 1),))


@pytest.mark.parametrize(
    ("octets", "verb", "states"),
    [
        (b"CAPABILITY", "CAPABILITY", ANY_STATE),  # RFC 3501, section 6.1
        (b"NOOP", "NOOP", ANY_STATE),
        (b"LOGOUT", "LOGOUT", ANY_STATE),
        (b"ID NIL", "ID", ANY_STATE),
        (b"STARTTLS", "STARTTLS", BEFORE_LOGIN),  # section 6.2
        (b"AUTHENTICATE PLAIN", "AUTHENTICATE", BEFORE_LOGIN),
        (b"LOGIN a b", "LOGIN", BEFORE_LOGIN),
        (b"SELECT a", "SELECT", AFTER_LOGIN),  # section 6.3
        (b"EXAMINE a", "EXAMINE", AFTER_LOGIN),
        (b"CREATE a", "CREATE", AFTER_LOGIN),
        (b"DELETE a", "DELETE", AFTER_LOGIN),
        (b"RENAME a b", "RENAME", AFTER_LOGIN),
        (b"SUBSCRIBE a", "SUBSCRIBE", AFTER_LOGIN),
        (b"UNSUBSCRIBE a", "UNSUBSCRIBE", AFTER_LOGIN),
        (b'LIST "" *', "LIST", AFTER_LOGIN),
        (b'LSUB "" *', "LSUB", AFTER_LOGIN),
        (b"STATUS a (UIDNEXT)", "STATUS", AFTER_LOGIN),
        (b"NAMESPACE", "NAMESPACE", AFTER_LOGIN),
        (b"IDLE", "IDLE", AFTER_LOGIN),
        (b"CHECK", "CHECK", MAILBOX_SELECTED),  # section 6.4
        (b"CLOSE", "CLOSE", MAILBOX_SELECTED),
        (b"UNSELECT", "UNSELECT", MAILBOX_SELECTED),
        (b"EXPUNGE", "EXPUNGE", MAILBOX_SELECTED),
        (b"SEARCH ALL", "SEARCH", MAILBOX_SELECTED),
        (b"FETCH 1 UID", "FETCH", MAILBOX_SELECTED),
        (b"STORE 1 FLAGS ()", "STORE", MAILBOX_SELECTED),
        (b"COPY 1 a", "COPY", MAILBOX_SELECTED),
        (b"MOVE 1 a", "MOVE", MAILBOX_SELECTED),
    ],
)
def test_each_command_has_its_verb_and_its_states(
    octets: bytes, verb: str, states: frozenset[SessionState]
) -> None:
    parsed = command(Cursor(octets))
    assert (parsed.verb, parsed.states) == (verb, states)
    first, space, rest = octets.partition(b" ")
    assert command(Cursor(first.lower() + space + rest)) == parsed


@pytest.mark.parametrize(
    "octets", [b"SEARCH ALL", b"FETCH 1 UID", b"STORE 1 FLAGS ()", b"COPY 1 a", b"MOVE 1 a"]
)
def test_five_commands_have_a_form_by_uid(octets: bytes) -> None:
    assert not command(Cursor(octets)).by_uid
    assert command(Cursor(b"uid " + octets)).by_uid


@pytest.mark.parametrize(
    "octets",
    [b"UID SELECT a", b"UID UID FETCH 1 UID", b"UID LOGOUT", b"UIDFETCH 1 UID", b"UID  ", b"UID EXPUNGE"],
)
def test_other_commands_have_no_form_by_uid(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        command(Cursor(octets))


@pytest.mark.parametrize(
    ("octets", "reads_flags", "defers_expunges", "permits_updates_first"),
    [
        (b"NOOP", False, False, False),
        (b"EXPUNGE", False, False, False),
        (b"FETCH 1 UID", False, True, False),  # section 7.4.1: no EXPUNGE during FETCH, STORE, SEARCH
        (b"UID FETCH 1 UID", False, False, True),
        (b"UID FETCH 1 FLAGS", True, False, True),
        (b"STORE 1 FLAGS ()", True, True, False),
        (b"UID STORE 1 FLAGS ()", True, False, True),
        (b"SEARCH ALL", True, True, False),
        (b"COPY 1 a", True, False, False),
        (b"UID COPY 1 a", True, False, True),
        (b"UID MOVE 1 a", True, False, True),
    ],
)
def test_numbers_do_not_change_while_a_command_uses_them(
    octets: bytes, reads_flags: bool, defers_expunges: bool, permits_updates_first: bool
) -> None:
    parsed = command(Cursor(octets))
    assert parsed.reads_flags is reads_flags
    assert parsed.defers_expunges is defers_expunges
    assert parsed.permits_updates_first is permits_updates_first


def test_a_class_for_several_commands_has_no_verb_and_its_commands_have_their_own() -> None:
    class Several(ImapCommand):
        pass

    class One(Several, verb="ONE", states=AFTER_LOGIN):
        pass

    assert not hasattr(Several, "verb")
    assert (One.verb, One.states) == ("ONE", AFTER_LOGIN)


@pytest.mark.parametrize(
    ("octets", "store"),
    [
        (b"STORE 1 FLAGS (\\SEEN)", StoreCommand(ONE, FlagChange.REPLACE, frozenset({"\\Seen"}))),
        (b"STORE 1 flags \\Seen", StoreCommand(ONE, FlagChange.REPLACE, frozenset({"\\Seen"}))),
        (b"STORE 1 +Flags.Silent (a)", StoreCommand(ONE, FlagChange.ADD, frozenset({"a"}), silent=True)),
        (b"STORE 1 -FLAGS a b", StoreCommand(ONE, FlagChange.REMOVE, frozenset({"a", "b"}))),
        (b"STORE 1 +FLAGS $Junk junk", StoreCommand(ONE, FlagChange.ADD, frozenset({"$Junk", "junk"}))),
        (b"STORE 1 +FLAGS Work WORK", StoreCommand(ONE, FlagChange.ADD, frozenset({"Work"}))),
        (b"UID STORE 1 FLAGS.SILENT ()", StoreCommand(ONE, FlagChange.REPLACE, frozenset(), True, True)),
    ],
)
def test_store_replaces_adds_or_removes_flags(octets: bytes, store: StoreCommand) -> None:
    assert command(Cursor(octets)) == store


@pytest.mark.parametrize(
    "octets",
    [
        b"STORE 1",
        b"STORE 1 FLAGS",
        b"STORE 1 FLAGS ",
        b"STORE 1 FLAGS(\\Seen)",
        b"STORE 1 *FLAGS (a)",
        b"STORE 1 + FLAGS (a)",
        b"STORE 1 FLAGS.LOUD (a)",
        b"STORE 1 FLAGS (a) b",
        b"STORE 1 FLAGS a (b)",
        b'STORE 1 FLAGS ("a")',
        b"STORE 1 FLAGS (\\)",
        b"STORE 1 FLAGS (\\*)",
        b"STORE 1 +FLAGS (\\Recent)",  # section 2.3.2: a client cannot alter it
        b"STORE 1 (UNCHANGEDSINCE 5) FLAGS ()",  # CONDSTORE is not announced
        b"COPY 1",
        b"COPY a",
        b"MOVE 1 a b",
        b"EXPUNGE 1",
        b"UID EXPUNGE a",
    ],
)
def test_changes_that_break_the_grammar_are_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        command(Cursor(octets))


@pytest.mark.parametrize("form", [b"STORE 1 FLAGS (%b)", b"STORE 1 +FLAGS %b"])
def test_a_store_has_as_many_flags_as_the_limit(form: bytes) -> None:
    limits = ImapLimits(flags=3)
    command(Cursor(form % b"a b c", limits))
    with pytest.raises(CommandSyntaxError, match="too long"):
        command(Cursor(form % b"a b c d", limits))


def test_transfers_name_messages_and_a_mailbox() -> None:
    span = SequenceSet(((2, 4), (0, 0)))
    assert command(Cursor(b'COPY 2:4,* "a b"')) == CopyCommand(span, "a b")
    assert command(Cursor(b"UID MOVE 2:4,* {5}\r\ninbox")) == MoveCommand(span, "INBOX", by_uid=True)
    assert command(Cursor(b"UID EXPUNGE 2:4,*")) == ExpungeCommand(span)


@pytest.mark.parametrize(
    ("octets", "login"),
    [
        (b"LOGIN joe secret", LoginCommand(b"joe", b"secret")),
        (b'LOGIN "joe" "se\\"cr\\\\et"', LoginCommand(b"joe", b'se"cr\\et')),
        (b'LOGIN "j\xc3\xb6" x', LoginCommand(b"j\xc3\xb6", b"x")),
        (b"LOGIN {3}\r\njoe {7+}\r\na b\r\n\xff!", LoginCommand(b"joe", b"a b\r\n\xff!")),
        (b"LOGIN joe p]w+d", LoginCommand(b"joe", b"p]w+d")),
    ],
)
def test_name_and_password_are_the_octets_that_the_client_sent(octets: bytes, login: LoginCommand) -> None:
    assert command(Cursor(octets)) == login


@pytest.mark.parametrize(
    ("octets", "initial"),
    [(b"", None), (b" ", None), (b" =", b"="), (b" AGEAYg==", b"AGEAYg=="), (b" AGEA", b"AGEA")],
)
def test_authenticate_has_a_mechanism_and_perhaps_an_initial_response(
    octets: bytes, initial: bytes | None
) -> None:
    assert command(Cursor(b"AUTHENTICATE plain" + octets)) == AuthenticateCommand("PLAIN", initial)


@pytest.mark.parametrize(
    "octets", [b"", b" (PLAIN)", b' "PLAIN"', b" PLAIN *", b" PLAIN a b", b" PLAIN =a", b" PLAIN a==="]
)
def test_authenticate_with_other_arguments_is_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        command(Cursor(b"AUTHENTICATE" + octets))


def test_an_id_has_thirty_fields_at_most_and_their_values_may_be_nil() -> None:
    pairs = b" ".join(b'"k%d" NIL' % number for number in range(MAX_ID_FIELDS))
    parsed = command(Cursor(b"ID (" + pairs + b")"))
    assert isinstance(parsed, IdCommand)
    assert parsed.fields is not None
    assert parsed.fields[-1] == (b"k29", None)
    with pytest.raises(CommandSyntaxError, match="Too many ID fields"):
        command(Cursor(b"ID (" + pairs + b' "k30" NIL)'))


@pytest.mark.parametrize(
    "octets", [b"", b" ", b" x", b' ("a")', b' ("a" "b" "c")', b" (NIL NIL)", b' "a" "b"', b" ()x"]
)
def test_an_id_without_pairs_is_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        command(Cursor(b"ID" + octets))
    assert command(Cursor(b"ID ()")) == IdCommand(())
