"""Any command that there is, for property tests."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from mailyard.imap.commands import (
    append,
    authentication,
    fetch,
    listing,
    mailboxes,
    search,
    session,
    store,
    transfer,
)
from mailyard.imap.grammar import flags, searchkeys
from mailyard.imap.grammar.sections import Partial, Section, SectionText
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.wellknown import INBOX, SYSTEM_FLAGS, FlagChange

_ATOMS = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$-_.", min_size=1, max_size=12
)
_OCTETS = st.binary(max_size=30).map(lambda octets: octets.replace(b"\x00", b""))
_TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=20)
_NAMES = (
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20)
    .map(lambda name: INBOX if name.upper() == INBOX else name)
)  # fmt: skip
_NUMBERS = st.integers(0, 2**32 - 1)
_SETS = st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=1, max_size=4).map(
    lambda ranges: SequenceSet(tuple(ranges))
)
_FLAGS = st.lists(st.sampled_from(SYSTEM_FLAGS) | _ATOMS, max_size=4).map(flags.without_doubles)
_MOMENTS = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)).map(  # noqa: DTZ001 - UTC below
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
_FIELDS = st.lists(_ATOMS.map(str.encode), min_size=1, max_size=3).map(tuple)
_PARTS = st.lists(st.integers(1, 99), max_size=3).map(tuple)
_SECTIONS = (
    st.builds(Section, _PARTS, st.sampled_from((None, SectionText.HEADER, SectionText.TEXT)))
    | st.builds(Section, _PARTS, st.sampled_from((SectionText.FIELDS, SectionText.FIELDS_NOT)), _FIELDS)
    | st.builds(
        Section, st.lists(st.integers(1, 99), min_size=1, max_size=3).map(tuple), st.just(SectionText.MIME)
    )
)
_ITEMS = (
    st.sampled_from((*fetch.Item, *fetch.Rfc822Item))
    | st.builds(
        fetch.BodyItem,
        _SECTIONS,
        st.booleans(),
        st.none() | st.builds(Partial, _NUMBERS, st.integers(1, 2**32 - 1)),
    )
)  # fmt: skip
_DAYS = st.dates()
_RELATIONS = st.sampled_from(searchkeys.Relation)
_FIELD_NAMES = st.sampled_from(("bcc", "cc", "from", "subject", "to", "x-mailer", "list-id"))
_LEAVES = (
    st.just(searchkeys.AllMessages())
    | st.just(searchkeys.IsNew())
    | st.builds(searchkeys.IsRecent, st.booleans())
    | st.builds(searchkeys.HasFlag, st.sampled_from(SYSTEM_FLAGS) | _ATOMS, st.booleans())
    | st.builds(searchkeys.Arrived, _RELATIONS, _DAYS)
    | st.builds(searchkeys.Sent, _RELATIONS, _DAYS)
    | st.builds(searchkeys.Larger, _NUMBERS)
    | st.builds(searchkeys.Smaller, _NUMBERS)
    | st.builds(searchkeys.InHeader, _FIELD_NAMES, _TEXT)
    | st.builds(searchkeys.InBody, _TEXT)
    | st.builds(searchkeys.InText, _TEXT)
    | st.builds(searchkeys.Numbered, _SETS)
    | st.builds(searchkeys.WithUid, _SETS)
)
_KEYS = st.recursive(
    _LEAVES,
    lambda keys: (
        keys.map(searchkeys.negated)
        | st.builds(searchkeys.either, keys, keys)
        | st.lists(keys, min_size=2, max_size=3).map(searchkeys.all_of)
    ),
    max_leaves=8,
)
_MAILBOX_COMMANDS = (
    mailboxes.SelectCommand,
    mailboxes.ExamineCommand,
    mailboxes.DeleteCommand,
    mailboxes.SubscribeCommand,
    mailboxes.UnsubscribeCommand,
)
_USES = st.none() | st.sampled_from(("\\Sent", "\\Junk", "\\Archive"))
_BARE = (
    session.CapabilityCommand,
    session.NoopCommand,
    session.LogoutCommand,
    session.StartTlsCommand,
    session.IdleCommand,
    mailboxes.NamespaceCommand,
    mailboxes.CheckCommand,
    mailboxes.CloseCommand,
    mailboxes.UnselectCommand,
)
_ID_FIELDS = st.lists(st.tuples(_OCTETS, st.none() | _OCTETS), max_size=3).map(tuple)
_PATTERNS = _NAMES | st.just("") | st.text("ab/*%", max_size=6)

commands = (
    st.sampled_from(_BARE).map(lambda kind: kind())
    | st.builds(session.IdCommand, st.none() | _ID_FIELDS)
    | st.builds(authentication.LoginCommand, _OCTETS, _OCTETS)
    | st.builds(
        authentication.AuthenticateCommand, st.just("PLAIN"), st.sampled_from((None, b"=", b"AGEAYg=="))
    )
    | st.sampled_from(_MAILBOX_COMMANDS).flatmap(lambda kind: st.builds(kind, _NAMES))
    | st.builds(mailboxes.CreateCommand, _NAMES, _USES)
    | st.builds(mailboxes.RenameCommand, _NAMES, _NAMES)
    | st.builds(
        mailboxes.StatusCommand,
        _NAMES,
        st.lists(st.sampled_from(mailboxes.StatusItem), min_size=1).map(tuple),
    )
    | st.builds(listing.ListCommand, _PATTERNS, _PATTERNS)
    | st.builds(listing.LsubCommand, _PATTERNS, _PATTERNS)
    | st.builds(
        fetch.FetchCommand,
        _SETS,
        st.lists(_ITEMS, min_size=1, max_size=4, unique=True).map(tuple),
        st.booleans(),
    )
    | st.builds(store.StoreCommand, _SETS, st.sampled_from(FlagChange), _FLAGS, st.booleans(), st.booleans())
    | st.builds(search.SearchCommand, st.lists(_KEYS, min_size=1, max_size=3).map(tuple), st.booleans())
    | st.builds(transfer.CopyCommand, _SETS, _NAMES, st.booleans())
    | st.builds(transfer.MoveCommand, _SETS, _NAMES, st.booleans())
    | st.builds(transfer.ExpungeCommand, st.none() | _SETS)
)
appends = st.builds(append.AppendCommand, _NAMES, _FLAGS, st.none() | _MOMENTS)
