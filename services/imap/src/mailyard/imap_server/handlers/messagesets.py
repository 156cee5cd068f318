"""The messages of a sequence set or UID set."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from mailyard.imap.grammar.cursor import CommandSyntaxError
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.server.responses import no
from mailyard.imap_server.session.view import MessageView

GONE = no("Some messages no longer exist", "EXPUNGEISSUED")  # RFC 5530, section 3


def resolve(view: MessageView, numbers: SequenceSet, *, by_uid: bool) -> list[range]:
    """Return the indexes of the messages in a set.

    Raises:
        CommandSyntaxError: the set names a message number that does not exist (RFC 3501, section 9: seq-number).

    """
    if by_uid:
        return view.by_uid(numbers)
    if numbers.exceeds(len(view)):
        raise CommandSyntaxError("There is no message with that number")
    return view.by_number(numbers)


def in_portions(spans: Iterable[Iterable[int]], size: int) -> Iterator[list[int]]:
    """Give the numbers of all spans, `size` at a time."""
    remaining = chain.from_iterable(spans)
    while portion := list(islice(remaining, size)):
        yield portion
