"""Reads the octets of a message: the lines of DATA (RFC 5321 section 4.1.1.4), the chunks of BDAT (RFC 3030)."""

from mailyard.smtp.reply import reply
from mailyard.smtp.server.content import Content
from mailyard.smtp.server.dialogue import Chunk, Dialogue
from mailyard.smtp.server.events import BodyData, MessageAborted, MessageEnd
from mailyard.smtp.server.inputbuffer import InputBuffer
from mailyard.smtp.server.limits import Mode
from mailyard.smtp.server.replies import MESSAGE_TOO_BIG
from mailyard.smtp.server.states import Move
from mailyard.smtp.server.verbs import Verb


def read_data(dialogue: Dialogue, waiting: InputBuffer) -> bool:
    """Take the octets of DATA that are there; return whether there were any."""
    octets = waiting.take_all()
    if not octets:
        return False
    assert dialogue.content is not None
    text, rest = dialogue.dots.feed(octets)
    _keep(dialogue, dialogue.content, text)
    if rest is not None:
        waiting.feed(rest)
        _end(dialogue, dialogue.content, Verb.DATA)
    elif dialogue.content.seen > dialogue.profile.most_octets:
        dialogue.break_off(dialogue.content.refusal or MESSAGE_TOO_BIG)
    return True


def read_chunk(dialogue: Dialogue, waiting: InputBuffer) -> bool:
    """Take the octets of a BDAT chunk that are there; return whether there were any."""
    chunk = dialogue.chunk
    assert chunk is not None
    octets = waiting.take(chunk.remaining)
    if not octets and chunk.remaining:
        return False
    chunk.remaining -= len(octets)
    if chunk.refusal is None:
        assert dialogue.content is not None
        _keep(dialogue, dialogue.content, octets)
    if not chunk.remaining:
        _end_chunk(dialogue, chunk)
    return True


def _end_chunk(dialogue: Dialogue, chunk: Chunk) -> None:
    dialogue.chunk = None
    if chunk.refusal is not None:
        dialogue.refuse(Verb.BDAT, chunk.refusal)
        return
    assert dialogue.content is not None
    if chunk.is_last:
        _end(dialogue, dialogue.content, Verb.BDAT)
    elif dialogue.content.refusal is not None:
        # One failed chunk fails the message; those that are pipelined behind it find no transaction.
        dialogue.refuse(Verb.BDAT, dialogue.content.refusal)
        dialogue.end_transaction()
    else:
        dialogue.say(reply(250, "2.0.0", f"{chunk.size} octets received"))


def _keep(dialogue: Dialogue, content: Content, octets: bytes) -> None:
    """Report the octets that may be kept; the first refusal ends the message for the shell."""
    was_refused = content.refusal is not None
    _report(dialogue, content, content.take(octets), was_refused)


def _report(dialogue: Dialogue, content: Content, kept: bytes, was_refused: bool) -> None:
    if content.refusal is not None:
        if not was_refused:
            dialogue.events.append(MessageAborted())
    elif kept:
        dialogue.events.append(BodyData(kept))


def _end(dialogue: Dialogue, content: Content, verb: Verb) -> None:
    was_refused = content.refusal is not None
    _report(dialogue, content, content.finish(), was_refused)
    dialogue.move(Move.TRANSACTION_ENDED)  # what is known of it is kept until the answer
    if content.refusal is None:
        dialogue.ask(MessageEnd(content.size, content.nul_octets))
        return
    dialogue.refuse(verb, content.refusal)
    for _ in range(replies_due(dialogue) - 1):
        dialogue.say(content.refusal)
    dialogue.end_transaction()


def replies_due(dialogue: Dialogue) -> int:
    """Return how many replies end a message: in LMTP one for each accepted recipient (RFC 2033 section 4.2)."""
    return len(dialogue.recipients) if dialogue.profile.mode is Mode.LMTP else 1
