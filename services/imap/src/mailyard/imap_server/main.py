"""imap: serves mailboxes by IMAP4rev1. Connections are its only state; any pod serves any account."""

import sys
import time
from collections.abc import Iterator, Sequence

from mailyard.broker.connection import Broker
from mailyard.broker.events import MailboxEvents
from mailyard.directory.accesswatch import POLL_SECONDS, AccessWatch
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.passwords import Passwords
from mailyard.directory.quotas import AccountQuotas
from mailyard.imap_server.session.accounts import AccountSessions
from mailyard.imap_server.session.backend import Backend
from mailyard.imap_server.session.keywords import MailboxKeywords
from mailyard.imap_server.session.watch import MailboxWatch
from mailyard.imap_server.settings import ImapSettings
from mailyard.imap_server.shell.listener import Listener, Reception
from mailyard.imap_server.shell.unauthenticated import UnauthenticatedSessions
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.runtime.admission import Admission, raise_file_limit
from mailyard.runtime.budget import MemoryBudget
from mailyard.runtime.certificates import Certificates
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.periodic import Periodic
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import load_settings
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store

_CERTIFICATE_SECONDS = 60.0
_WITHOUT_BROKER = "all commands work; sessions in IDLE see new mail later"


def main() -> None:
    """Run the service until it is stopped."""
    sys.exit(run("imap", load_settings(ImapSettings), build))


async def build(runtime: Runtime[ImapSettings]) -> Sequence[Component]:
    """Create the components; listeners come last, so they start last and drain first."""
    settings = runtime.settings
    certificates = _certificates(settings)
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    broker = Broker(
        settings.amqp_url.get_secret_value(), settings.instance, required=False, meanwhile=_WITHOUT_BROKER
    )
    events = MailboxEvents(broker)
    directory = Directory(store, settings.cache_limits())
    access = AccessWatch(store, directory.forget)
    passwords = Passwords(settings.hash_cost(), threads=settings.password_threads)
    logins = Authenticator(store, directory, passwords, settings.login_limits(), access=access)
    connections = raise_file_limit(settings.connections)
    watch = MailboxWatch(events, Mailboxes(store).highest_modseqs, settings.poll_seconds)
    reception = Reception(
        backend=_backend(store, events, watch, logins, access),
        options=settings.options(),
        budget=MemoryBudget(settings.held_size),
        admission=Admission(connections, settings.connections_per_address),
        unauthenticated=UnauthenticatedSessions(
            settings.unauthenticated_connections or max(connections // 2, 1), time.monotonic
        ),
        certificates=certificates,
        backlog=settings.backlog,
        balancers=settings.balancers(),
    )
    parts: list[Component] = [store, broker, events, watch]
    parts.append(Periodic("access", POLL_SECONDS, access.poll))
    if certificates is not None:
        parts.append(Periodic("certificates", _CERTIFICATE_SECONDS, certificates.refresh))
    parts.extend(_listeners(settings, reception))
    return parts


def _backend(
    store: Store, events: MailboxEvents, watch: MailboxWatch, logins: Authenticator, access: AccessWatch
) -> Backend:
    messages = Messages(store, events)
    return Backend(
        mailboxes=Mailboxes(store),
        messages=messages,
        blobs=Blobs(store),
        authenticator=logins,
        access=access,
        quotas=AccountQuotas(store),
        events=watch,
        accounts=AccountSessions(),
        keywords=MailboxKeywords(messages.flag_states, time.monotonic),
        now=now_utc,
        monotonic=time.monotonic,
    )


def _listeners(settings: ImapSettings, reception: Reception) -> Iterator[Listener]:
    for label, texts, tls_first in (("imap", settings.listen, False), ("imaps", settings.tls_listen, True)):
        if texts:
            yield Listener(label, [Endpoint.parse(text) for text in texts], reception, tls_first=tls_first)


def _certificates(settings: ImapSettings) -> Certificates | None:
    """Return the certificates, None without TLS; raises Misconfigured where nobody could log in."""
    if not settings.listen and not settings.tls_listen:
        raise Misconfigured("imap listens nowhere: set MAILYARD_IMAP_LISTEN or MAILYARD_IMAP_TLS_LISTEN")
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is not None and key is not None:
        return Certificates(certificate, key, settings.handshake_seconds)
    if certificate is not None or key is not None:
        raise Misconfigured("set both MAILYARD_IMAP_TLS_CERTIFICATE_FILE and MAILYARD_IMAP_TLS_KEY_FILE")
    if settings.tls_listen:
        raise Misconfigured(
            "MAILYARD_IMAP_TLS_LISTEN needs MAILYARD_IMAP_TLS_CERTIFICATE_FILE and MAILYARD_IMAP_TLS_KEY_FILE"
        )
    if settings.plaintext_auth == "never":
        raise Misconfigured(
            "nobody could log in: set MAILYARD_IMAP_TLS_CERTIFICATE_FILE and MAILYARD_IMAP_TLS_KEY_FILE"
            " (or, for a trial on one machine, MAILYARD_IMAP_PLAINTEXT_AUTH=loopback)"
        )
    return None


if __name__ == "__main__":
    main()
