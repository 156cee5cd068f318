"""Mailboxes and messages as values: what the rows of `mailboxes` and `messages` hold.

The octets of a message are `prefix`, followed by the body that `blob_id` names; `size` counts both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from mailyard.imap.wellknown import INBOX
from mailyard.message.summary import Summary

JUNK = "Junk"
DEFAULTS: Mapping[str, str | None] = {  # names and special uses (RFC 6154) of the mailboxes of a new account
    INBOX: None,
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    JUNK: "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A snapshot of a mailbox: no message at or above `uid_next`, and no change above `highest_modseq`, may be shown."""

    id: ObjectId
    account: ObjectId
    name: str
    uid_validity: int
    uid_next: int
    highest_modseq: int
    total: int
    unseen: int
    octets: int
    special_use: str | None = None  # RFC 6154 attribute, "\\Sent"
    recent_from: int = 1  # messages from this UID on have been \Recent for no session yet


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a mailbox, without its body."""

    id: str
    mailbox: ObjectId
    account: ObjectId
    uid: int
    modseq: int
    flags: frozenset[str]
    internal_date: datetime
    saved_at: datetime
    size: int  # octets of prefix and body together: RFC822.SIZE
    prefix: bytes
    blob_id: ObjectId
    envelope: bytes
    bodystructure: bytes
    imap_body: bytes  # BODY of FETCH: the structure without extension data
    header_index: bytes
    part_index: bytes
    email_id: str
    thread_id: str
    expunged: bool = False
    summary: Summary | None = None  # None: not loaded, or written by a version up to 0.3.0


@dataclass(frozen=True, slots=True)
class FlagState:
    """UID, modseq and flags of a message, as a session needs them for the selected mailbox."""

    uid: int
    modseq: int
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes after a modseq: new and changed messages by UID, and the UIDs of removed messages."""

    highest_modseq: int
    uid_next: int
    present: Iterable[FlagState]  # can be iterated several times
    vanished: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StoreResult:
    """Result of a flag change: the new states, and the UIDs that `unchanged_since` excluded (RFC 7162)."""

    changed: tuple[FlagState, ...]
    modified: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CopyResult:
    """COPYUID (RFC 4315): source and new UIDs, pairwise."""

    uid_validity: int
    source_uids: tuple[int, ...]
    target_uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AppendResult:
    """APPENDUID (RFC 4315)."""

    uid_validity: int
    uid: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A parsed message for a mailbox. Made by `mailyard.mailbox.factory`."""

    id: str  # delivery key for delivered mail, a fresh id for APPEND
    account: ObjectId
    prefix: bytes
    blob_id: ObjectId
    size: int
    internal_date: datetime
    envelope: bytes
    bodystructure: bytes
    imap_body: bytes
    header_index: bytes
    part_index: bytes
    thread_id: str = ""
    flags: frozenset[str] = field(default_factory=frozenset)
    summary: Summary | None = None  # None: a copy of a message that a version up to 0.3.0 stored
