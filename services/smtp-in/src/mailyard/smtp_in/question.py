"""A question to hooks, and what follows from their answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mailyard.smtp.reply import Reply
from mailyard.smtp_in.hooks import Asked
from mailyard.spool.finding import Finding


@dataclass(slots=True)
class Question:
    """A question to hooks: their answers as they are asked one by one, and what follows."""

    answers: Iterator[Asked]
    keep: Callable[[Sequence[Finding]], None]
    agree: Callable[[], None]
    refuse: Callable[[Reply], None]
    is_about_message: bool = False  # a message that came is forgotten when a hook fails


def next_answer(answers: Iterator[Asked]) -> Asked:
    """Return the next answer of hooks that is not None; None after the last."""
    for asked in answers:
        if asked is not None:
            return asked
    return None
