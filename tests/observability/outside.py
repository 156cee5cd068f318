"""A host outside of the trial that accepts, defers, refuses or cuts, by the local part of the recipient."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

ANSWERS = {"later": "451 4.2.1 the mailbox is busy", "never": "550 5.1.1 no such mailbox"}


class Moods:
    """aiosmtpd's handler."""

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Refuse by the local part."""
        refusal = ANSWERS.get(address.partition("@")[0])
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 fine"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the message, or cut the connection where the reply is awaited."""
        if any(address.startswith("cut@") for address in envelope.rcpt_tos):
            server.transport.abort()
        return "250 2.0.0 taken"


@contextmanager
def outside(port: int) -> Iterator[None]:
    """Listen on loopback."""
    controller = Controller(Moods(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()
