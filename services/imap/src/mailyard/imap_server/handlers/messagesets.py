"""The messages of a sequence set or UID set."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from mailyard.imap.grammar.cursor import CommandSyntaxError
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap_server.session.view import MessageView


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


def in_portions(indexes: Sequence[range], size: int) -> Iterator[list[int]]:
    """Give the indexes, `size` at a time."""
    remaining = chain.from_iterable(indexes)
    while portion := list(islice(remaining, size)):
        yield portion
