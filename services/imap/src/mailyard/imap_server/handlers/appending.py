"""APPEND (RFC 3501, section 6.3.11): the message is written to the store while it arrives.

Nothing is read from the client while a chunk of the message is written, so memory does not grow with its size.
"""

import asyncio
import contextlib
from dataclasses import replace

from bson import ObjectId

from mailyard.imap.server import responses
from mailyard.imap.server.connection import SCARCE
from mailyard.imap.server.events import MessageBroken, MessageData, MessageEnded, MessageOffered, Overflow
from mailyard.imap.server.responses import Completion, bad, no, ok
from mailyard.imap_server.handlers.transferring import TRY_CREATE
from mailyard.imap_server.session.session import ImapSession, SessionOver, unavailable
from mailyard.mailbox.errors import MailboxNotFound
from mailyard.mailbox.factory import new_message
from mailyard.mailbox.model import Mailbox, NewMessage
from mailyard.mailbox.octets import SMALL_BODY, read_blob
from mailyard.mailbox.quota import fits
from mailyard.message.parse import parse_message
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.metrics import counter
from mailyard.store.body import Body, BodyWriter

_OCTETS = counter("mailyard_imap_appended_bytes_total")
_CHUNK = 262_144  # octets of a message that the writer holds, at most
_PARSED_AT_ONCE = 8_192  # octets; parsing more takes a while in the worst case, and is done in a thread
OVER_QUOTA = no("The mailbox is full: there is no room for this within the quota", "OVERQUOTA")  # RFC 9208


async def append(session: ImapSession, offered: MessageOffered) -> Completion:
    """Execute APPEND; the response code APPENDUID has the UID of the message (RFC 4315, section 3)."""
    mailbox = await _mailbox_for(session, offered)
    if isinstance(mailbox, Completion):
        _end_session_if(session.connection.refuse_message())
        return mailbox
    held = min(offered.size, _CHUNK)
    if not session.channel.reserve(held):
        _end_session_if(session.connection.refuse_message())
        return SCARCE
    try:
        return await _accept(session, mailbox, offered)
    finally:
        session.channel.give_back(held)


async def _accept(session: ImapSession, mailbox: Mailbox, offered: MessageOffered) -> Completion:
    session.connection.accept_message()
    if offered.synchronising:
        session.write(responses.continuation("Ready for literal data"))
        await session.drain()
    body = await _receive(session)
    return body if isinstance(body, Completion) else await _add(session, mailbox, offered, body)


def _end_session_if(overflow: Overflow | None) -> None:
    if overflow is not None:
        raise SessionOver(overflow.text)


async def _mailbox_for(session: ImapSession, offered: MessageOffered) -> Mailbox | Completion:
    """Return the mailbox of the message, or the refusal."""
    if offered.size > session.connection.limits.message:
        return no("The message is larger than is taken here", "TOOBIG")
    if not offered.size:
        return no("An empty message cannot be kept")
    try:
        mailbox = await session.backend.mailboxes.get(session.account, offered.append.mailbox)
        quota = await session.quota()
        if quota is not None and not fits(
            await session.backend.messages.usage(session.account), quota, offered.size
        ):
            return OVER_QUOTA
    except MailboxNotFound:
        return TRY_CREATE
    except Unavailable as error:
        return unavailable(error)
    return mailbox


async def _receive(session: ImapSession) -> Body | Completion:
    """Write the message to the store; return its body, or the refusal. A refused message is read and dropped."""
    writer = session.backend.blobs.writer()
    try:
        outcome = await _pump(session, writer)
    except Unavailable as error:
        outcome = unavailable(error)
        _end_session_if(session.connection.abandon_message())
    except BaseException:
        await _discard(writer)
        raise
    if isinstance(outcome, Completion):
        await _discard(writer)
    return outcome


async def _discard(writer: BodyWriter) -> None:
    """Remove the chunks of a refused message; the sweep removes those that cannot be removed now."""
    with contextlib.suppress(Unavailable):
        await writer.abort()


async def _pump(session: ImapSession, writer: BodyWriter) -> Body | Completion:
    while True:
        event = await session.next_event(session.options.stall_seconds, even_if_stopping=True)
        match event:
            case MessageData(octets):
                _OCTETS.inc(len(octets))
                await writer.write(octets)
            case MessageEnded():
                return await writer.finish()
            case MessageBroken(text):
                return bad(text)
            case _:
                raise SessionOver("The message did not come in time")


async def _add(session: ImapSession, mailbox: Mailbox, offered: MessageOffered, body: Body) -> Completion:
    blob_id = await session.backend.blobs.put(body)
    message = await _parsed(session, offered, body, blob_id)
    flags = await session.accepted_keywords(mailbox, message.flags)
    try:
        result = await session.backend.messages.append(
            mailbox, replace(message, flags=flags), session.origin, quota=await session.quota()
        )
    except MailboxNotFound:
        return TRY_CREATE
    if session.selected is not None and session.selected.mailbox.id == mailbox.id:
        session.selected.expect_changes()
    return ok("APPEND completed", f"APPENDUID {result.uid_validity} {result.uid}")


async def _parsed(session: ImapSession, offered: MessageOffered, body: Body, blob_id: ObjectId) -> NewMessage:
    if body.octets is not None and body.size <= _PARSED_AT_ONCE:
        return _new_message(session, offered, blob_id, body.octets)
    limits = session.backend.concurrency
    async with limits.small_messages if body.size <= SMALL_BODY else limits.large_messages:
        octets = body.octets or await read_blob(session.backend.blobs, blob_id)
        return await asyncio.to_thread(_new_message, session, offered, blob_id, octets)


def _new_message(
    session: ImapSession, offered: MessageOffered, blob_id: ObjectId, octets: bytes
) -> NewMessage:
    return new_message(
        parse_message(b"", octets),
        account=session.account,
        blob_id=blob_id,
        body_size=len(octets),
        internal_date=offered.append.internal_date or session.backend.now(),
        flags=offered.append.flags,
    )
