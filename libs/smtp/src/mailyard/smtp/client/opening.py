"""The opening of a session, from the greeting to the first transaction: EHLO or HELO or LHLO, STARTTLS, AUTH."""

from mailyard.smtp.client.authentication import exchange_lines
from mailyard.smtp.client.commands import Command
from mailyard.smtp.client.events import Ready, SessionRefused, StartTls
from mailyard.smtp.client.extensions import Extensions, parse_extensions
from mailyard.smtp.client.options import Dialect, Options, Security
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.client.states import ClientInput, Step
from mailyard.smtp.client.wire import Wire
from mailyard.smtp.reply import Reply


class Opening:
    """One opening; it ends with a Ready or a SessionRefused event."""

    def __init__(self, wire: Wire, options: Options, *, tls: bool) -> None:
        self._wire = wire
        self._options = options
        self._tls = tls
        self._verb = "LHLO" if options.dialect is Dialect.LMTP else "EHLO"
        self._upgrade = options.security is not Security.NONE
        self._responses: list[bytes] = []
        self.server_name = ""
        wire.commands.expect(Step.GREETING)

    def on_greeting(self, reply: Reply) -> None:
        """Take the greeting: 220, or a refusal of the client (RFC 5321 section 3.1, RFC 7504)."""
        if not reply.is_positive:
            self.refuse(Step.GREETING, reply)
            return
        self._wire.move(ClientInput.GREETED)
        self._hello()

    def on_hello(self, reply: Reply) -> None:
        """Take the reply to EHLO; a server that does not know EHLO gets HELO (RFC 5321 section 3.2)."""
        if reply.is_positive:
            self.server_name = reply.lines[0].split(" ", 1)[0].lower().rstrip(".")
            self._wire.offer(Extensions() if self._verb == "HELO" else parse_extensions(reply))
            self._after_hello()
        elif reply.is_permanent and self._verb == "EHLO":
            self._verb = "HELO"
            self._hello()
        else:
            self.refuse(Step.HELLO, reply)

    def on_starttls(self, reply: Reply) -> None:
        """Take the reply to STARTTLS; a server that declines gets mail in clear where policy permits."""
        if reply.is_positive:
            self._wire.move(ClientInput.UPGRADE_AGREED)
            self._wire.events.append(StartTls())
        elif self._options.security.required:
            self.refuse(Step.STARTTLS, reply)
        else:
            self._upgrade = False
            self._wire.move(ClientInput.UPGRADE_DECLINED)
            self._after_hello()

    def tls_established(self) -> None:
        """Begin anew: nothing that was said in clear counts (RFC 3207 section 4.2)."""
        self._wire.move(ClientInput.SECURED)
        self._tls = True
        self._wire.offer(Extensions())
        self._hello()

    def on_auth(self, reply: Reply) -> None:
        """Answer a challenge with the next response, or end the dialogue when there is none (RFC 4954 section 4)."""
        if reply.is_intermediate:
            response = self._responses.pop(0) if self._responses else b"*\r\n"
            self._wire.commands.add(Command(Step.AUTH, response))
        elif reply.is_positive:
            self._open()
        else:
            self.refuse(Step.AUTH, reply)

    def refuse(self, step: Step, reply: Reply, *, own: bool = False) -> None:
        """End a session that cannot be opened."""
        self._wire.events.append(SessionRefused(step, reply, own))
        self._wire.close()

    def _refuse(self, step: Step, enhanced: str, text: str) -> None:
        self.refuse(step, own_reply(454, enhanced, text), own=True)

    def _hello(self) -> None:
        self._wire.commands.add(Command(Step.HELLO, f"{self._verb} {self._options.hostname}\r\n".encode()))

    def _after_hello(self) -> None:
        if self._upgrade and not self._tls and self._wire.extensions.start_tls:
            self._wire.move(ClientInput.UPGRADE)
            self._wire.commands.add(Command(Step.STARTTLS, b"STARTTLS\r\n"))
        elif self._options.security.required and not self._tls:
            self._refuse(Step.STARTTLS, "4.7.4", "TLS is required, but the server offers none")
        elif self._options.credentials:
            self._authenticate()
        else:
            self._open()

    def _authenticate(self) -> None:
        if not self._tls:
            self._refuse(Step.AUTH, "4.7.0", "credentials travel under TLS only")
            return
        assert self._options.credentials is not None
        lines = exchange_lines(self._wire.extensions.auth, self._options.credentials)
        if not lines:
            self._refuse(Step.AUTH, "4.7.0", "the server offers neither AUTH PLAIN nor LOGIN")
            return
        command, *self._responses = lines
        self._wire.move(ClientInput.AUTHENTICATE)
        self._wire.commands.add(Command(Step.AUTH, command))

    def _open(self) -> None:
        self._wire.move(ClientInput.OPENED)
        self._wire.events.append(Ready(self._wire.extensions))
