"""The input of one connection: octets in, events out, at any split of the octets (RFC 3501, sections 2.2 and 4.3).

`receive_data` takes received octets, `next_event` gives one event, or None when it needs more octets. A command is parsed
when its event is asked for, so changes by the command before it (STARTTLS, login, a refused literal) apply to it.
"""

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

from mailyard.imap.commands import registry
from mailyard.imap.commands.append import AppendCommand, append_head
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.grammar import syntax
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.limits import ImapLimits
from mailyard.imap.server.buffer import ByteBuffer, LineTooLong
from mailyard.imap.server.events import (
    NO_TAG,
    CommandReceived,
    CommandRejected,
    ContinuationWanted,
    Event,
    LineReceived,
    MessageBroken,
    MessageData,
    MessageEnded,
    MessageOffered,
    Overflow,
)
from mailyard.imap.server.responses import Completion, bad, no, refused
from mailyard.imap.states import SessionState, Transition, after

_ANNOUNCED = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}\r?\n\Z")
_TAG = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,128}) +')
_APPEND = re.compile(_TAG.pattern + rb"APPEND(?= )", re.IGNORECASE)
_CHUNK = 262_144
_SHORT_LINE = 8_192  # a line of this length is read even where memory is scarce
SCARCE = no("Memory is scarce on this server, try again later", "LIMIT")
_LONGEST_ANNOUNCEMENT = 32
_STEPS_AT_A_TIME = 2_000  # a command may have very many literals


class _Phase(Enum):
    """What the next octets are part of."""

    COMMAND = auto()
    LITERAL = auto()  # an argument of a command
    OFFERED = auto()  # a message that the session has not accepted yet
    MESSAGE = auto()
    MESSAGE_END = auto()
    ANSWER = auto()  # to a continuation request
    DRAIN = auto()  # a refused literal
    SKIP = auto()  # the rest of a refused line
    OVER = auto()


class _Pause(Enum):
    """Outcome of a step without an event."""

    AGAIN = auto()
    STARVED = auto()


_Outcome: TypeAlias = Event | _Pause


class ServerConnection:
    """State of a session, and parser of its input."""

    def __init__(self, limits: ImapLimits, has_room: Callable[[int], bool] = lambda _: True) -> None:
        """Read commands within `limits`; `has_room` returns whether the process may hold so many more octets."""
        self.limits = limits
        self._has_room = has_room
        self.state = SessionState.NOT_AUTHENTICATED
        self._buffer = ByteBuffer()
        self._phase = _Phase.COMMAND
        self._command = bytearray()  # the octets of the command so far, with its literals
        self._left = 0  # octets of the literal still to come
        self._binary = False  # whether it is a literal8, which may contain NUL
        self._synchronising = False  # whether the client waits for a continuation request before it
        self.is_busy = False  # whether `next_event` has paused and should be called again soon

    @property
    def backlog(self) -> int:
        """Octets that were received and not read yet."""
        return len(self._buffer)

    @property
    def held(self) -> int:
        """Octets of memory in use or reserved: received octets, and the literal that is expected."""
        arrived = len(self._buffer) + len(self._command)
        return max(arrived, len(self._command) + self._left) if self._phase is _Phase.LITERAL else arrived

    def receive_data(self, octets: bytes) -> None:
        """Add octets that the client has sent."""
        self._buffer.feed(octets)

    def discard_input(self) -> None:
        """Drop octets from before the TLS handshake: they may have been injected (RFC 3501, section 6.2.1)."""
        self._buffer.clear()
        self._restart()

    def change_state(self, transition: Transition) -> None:
        """Change the state of the session; raises InvalidImapTransition."""
        self.state = after(self.state, transition)

    def expect_line(self) -> None:
        """Read the next line as the answer to a continuation request, not as a command."""
        self._phase = _Phase.ANSWER

    def accept_message(self) -> None:
        """Read the message that was offered."""
        self._phase = _Phase.MESSAGE

    def refuse_message(self) -> Overflow | None:
        """Refuse the message that was offered; a non-synchronising literal is read and dropped."""
        if self._synchronising:  # without a continuation request the client does not send it
            self._restart()
            return None
        return self._drain()

    def abandon_message(self) -> Overflow | None:
        """Read and drop the rest of a message that was accepted."""
        return self._drain() if self._phase in {_Phase.MESSAGE, _Phase.MESSAGE_END} else None

    def next_event(self) -> Event | None:
        """Return the next event; None until more octets are received or, if `is_busy`, until other sessions had their turn."""
        self.is_busy = False
        for _ in range(_STEPS_AT_A_TIME):
            outcome = _STEPS[self._phase](self)
            if outcome is _Pause.STARVED:
                return None
            if not isinstance(outcome, _Pause):
                return outcome
        self.is_busy = True
        return None

    # Commands

    def _read_command(self) -> _Outcome:
        try:
            line = self._buffer.read_line(self.limits.line)
        except LineTooLong:
            self._command += self._buffer.read_some(self.limits.line)
            return self._reject_line(bad("The line is too long"))
        if line is None:
            if len(self._buffer) > _SHORT_LINE and not self._has_room(len(self._buffer)):
                self._command += self._buffer.read_some(self.limits.line)
                return self._reject_line(SCARCE)
            return _Pause.STARVED
        announced = _ANNOUNCED.search(line)
        self._command += line
        if announced is None:
            return self._finish_command()
        self._left = int(announced[2])
        self._binary = bool(announced[1])
        self._synchronising = not announced[3]
        return self._announce()

    def _finish_command(self) -> Event:
        """Parse the command; a bare LF at its end is accepted."""
        octets = bytes(self._command)
        self._restart()
        return self._parsed(octets.removesuffix(b"\n").removesuffix(b"\r"))

    def _parsed(self, octets: bytes) -> Event:
        tag = NO_TAG
        cursor = Cursor(octets, self.limits)
        try:
            tag = syntax.tag(cursor)
            syntax.space(cursor)
            command = registry.command(cursor)
            self._check_state(type(command))
        except CommandRefused as error:
            return CommandRejected(tag, refused(error))
        return CommandReceived(tag, command)

    def _check_state(self, command: type[ImapCommand]) -> None:
        if self.state not in command.states:
            raise CommandSyntaxError(f"{command.verb} is not possible in the state {self.state.value}")

    def _reject_line(self, completion: Completion) -> CommandRejected:
        tag = _tag_of(self._command)
        self._phase = _Phase.SKIP
        del self._command[:-_LONGEST_ANNOUNCEMENT]
        return CommandRejected(tag, completion)

    # Literals

    def _announce(self) -> _Outcome:
        try:
            append = self._append_head()
            if append is not None:
                self._check_state(AppendCommand)
                return self._offer(append)
            self._check_literal()
        except CommandRefused as error:
            rejected = CommandRejected(_tag_of(self._command), refused(error))
            return self.refuse_message() or rejected
        self._phase = _Phase.LITERAL
        return ContinuationWanted() if self._synchronising else _Pause.AGAIN

    def _append_head(self) -> AppendCommand | None:
        """Return the command if it is an APPEND whose message is the literal that was just announced."""
        # Other commands may have many literals, and are not copied for each.
        if _APPEND.match(self._command) is None:
            return None
        octets = bytes(self._command)
        cursor = Cursor(octets[: octets.rindex(b"{") - self._binary], self.limits)
        cursor.match(_APPEND)
        return append_head(cursor)

    def _offer(self, append: AppendCommand) -> MessageOffered:
        tag = _tag_of(self._command)
        self._command.clear()
        self._phase = _Phase.OFFERED
        return MessageOffered(tag, append, self._left, self._synchronising)

    def _check_literal(self) -> None:
        if self._binary:
            raise CommandSyntaxError("Only a message may be a literal8")
        most = self.limits.literal
        if not self._synchronising and self.limits.plus is not None:
            most = min(most, self.limits.plus)
        if self._left > most:
            raise CommandSyntaxError("The literal is too large")
        if len(self._command) + self._left > self.limits.command:
            raise CommandSyntaxError("The command is too long")
        if not self._has_room(self._left):
            raise CommandRefused(SCARCE.text, SCARCE.code)

    def _drain(self) -> Overflow | None:
        self._command.clear()
        if self._left > self.limits.drain:
            self._phase = _Phase.OVER
            return Overflow("The literal is far too large")
        self._phase = _Phase.DRAIN
        return None

    def _read_literal(self) -> _Outcome:
        octets = self._buffer.read_exactly(self._left)
        if octets is None:
            return _Pause.STARVED
        self._command += octets
        self._phase = _Phase.COMMAND
        return _Pause.AGAIN

    # Messages

    def _read_message(self) -> _Outcome:
        if not self._left:
            self._phase = _Phase.MESSAGE_END
            return _Pause.AGAIN
        octets = self._buffer.read_some(min(self._left, _CHUNK))
        if not octets:
            return _Pause.STARVED
        self._left -= len(octets)
        if not self._binary and b"\x00" in octets:
            self._phase = _Phase.DRAIN
            return MessageBroken("A message in a literal may not contain NUL (RFC 3501, section 4.3)")
        return MessageData(octets)

    def _read_message_end(self) -> _Outcome:
        try:
            line = self._buffer.read_line(self.limits.line)
        except LineTooLong:
            self._phase = _Phase.SKIP
            return MessageBroken("The line is too long")
        if line is None:
            return _Pause.STARVED
        self._restart()
        if not line.strip(b" \r\n"):
            return MessageEnded()
        return self._after_skipped(line) or MessageBroken("Only one message can be appended at a time")

    # Octets that are dropped

    def _read_drain(self) -> _Outcome:
        octets = self._buffer.read_some(min(self._left, _CHUNK))
        self._left -= len(octets)
        if self._left:
            return _Pause.STARVED if not octets else _Pause.AGAIN
        self._phase = _Phase.SKIP
        return _Pause.AGAIN

    def _read_skip(self) -> _Outcome:
        """Read to the end of the line; only its tail is kept, which may announce another literal."""
        try:
            line = self._buffer.read_line(self.limits.line)
        except LineTooLong:
            line = self._buffer.read_some(self.limits.line)
        if line is None:
            return _Pause.STARVED
        self._command += line
        if not line.endswith(b"\n"):
            del self._command[:-_LONGEST_ANNOUNCEMENT]
            return _Pause.AGAIN
        tail = bytes(self._command)
        self._restart()
        return self._after_skipped(tail) or _Pause.AGAIN

    def _after_skipped(self, line: bytes) -> Overflow | None:
        """Go on behind the non-synchronising literal at the end of a refused line, if there is one."""
        announced = _ANNOUNCED.search(line)
        if announced is None or not announced[3]:
            return None
        self._left = int(announced[2])
        return self._drain()

    def _read_answer(self) -> _Outcome:
        try:
            line = self._buffer.read_line(self.limits.answer)
        except LineTooLong:
            self._phase = _Phase.OVER
            return Overflow("The line is too long")
        if line is None:
            return _Pause.STARVED
        self._restart()
        return LineReceived(line.removesuffix(b"\n").removesuffix(b"\r"))

    def _wait(self) -> _Outcome:
        return _Pause.STARVED

    def _restart(self) -> None:
        self._command.clear()
        self._phase = _Phase.COMMAND


_STEPS: dict[_Phase, Callable[[ServerConnection], _Outcome]] = {
    _Phase.COMMAND: ServerConnection._read_command,  # noqa: SLF001 - the table belongs to the class
    _Phase.LITERAL: ServerConnection._read_literal,  # noqa: SLF001
    _Phase.OFFERED: ServerConnection._wait,  # noqa: SLF001
    _Phase.MESSAGE: ServerConnection._read_message,  # noqa: SLF001
    _Phase.MESSAGE_END: ServerConnection._read_message_end,  # noqa: SLF001
    _Phase.ANSWER: ServerConnection._read_answer,  # noqa: SLF001
    _Phase.DRAIN: ServerConnection._read_drain,  # noqa: SLF001
    _Phase.SKIP: ServerConnection._read_skip,  # noqa: SLF001
    _Phase.OVER: ServerConnection._wait,  # noqa: SLF001
}


def _tag_of(octets: bytes | bytearray) -> str:
    found = _TAG.match(octets)
    return found[1].decode("ascii") if found else NO_TAG
