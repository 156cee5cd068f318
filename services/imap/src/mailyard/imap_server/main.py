"""imap: serves mailboxes by IMAP4rev1. It holds no state but connections; any pod serves any account."""

import sys
import time
from collections.abc import Iterator, Sequence

from mailyard.broker.connection import Broker
from mailyard.broker.events import MailboxEvents
from mailyard.directory.accesswatch import POLL_SECONDS, AccessWatch
from mailyard.directory.apppasswordlogins import WRITE_SECONDS
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.loginlog.recorder import LoginRecorder
from mailyard.directory.passwords import Passwords
from mailyard.directory.quotas import AccountQuotas
from mailyard.directory.throttle.exchange import EXCHANGE_SECONDS
from mailyard.imap_server.connection import ImapConnectionFactory
from mailyard.imap_server.session.accounts import AccountSessions
from mailyard.imap_server.session.backend import ImapServices
from mailyard.imap_server.session.concurrency import ConcurrencyLimits
from mailyard.imap_server.session.keywords import MailboxKeywords
from mailyard.imap_server.session.watch import MailboxWatch
from mailyard.imap_server.settings import ImapSettings
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.listener import Listener, ListenerResources
from mailyard.listening.settings import endpoints
from mailyard.listening.unauthenticated import UnauthenticatedConnections
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.runtime.clock import now_utc
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
    if not settings.listen and not settings.tls_listen:
        raise Misconfigured("imap listens nowhere: set MAILYARD_IMAP_LISTEN or MAILYARD_IMAP_TLS_LISTEN")
    certificates = settings.certificates(
        tls_first="tls_listen" if settings.tls_listen else "", login="listen"
    )
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    broker = Broker(
        settings.amqp_url.get_secret_value(), settings.instance, required=False, meanwhile=_WITHOUT_BROKER
    )
    events = MailboxEvents(broker)
    directory = Directory(store, settings.cache_limits())
    access = AccessWatch(store, directory.forget)
    passwords = Passwords(settings.hash_cost(), threads=settings.password_threads)
    recorder = LoginRecorder(store, directory.policies, settings.login_log_days)
    logins = Authenticator(
        store, directory, passwords, settings.login_limits(), access=access, recorder=recorder
    )
    admission = settings.admission()
    watch = MailboxWatch(events, Mailboxes(store).highest_modseqs, settings.poll_seconds)
    resources = ListenerResources(
        admission=admission,
        memory=MemoryBudget(settings.held_size),
        certificates=certificates,
        proxies=settings,
        unauthenticated=UnauthenticatedConnections(
            settings.unauthenticated_connections or max(admission.most // 2, 1), time.monotonic
        ),
        backlog=settings.backlog,
    )
    backend = _backend(store, events, watch, logins, access)
    parts: list[Component] = [store, broker, events, watch]
    parts.append(Periodic("access", POLL_SECONDS, access.poll))
    parts.append(Periodic("logins", EXCHANGE_SECONDS, logins.exchange.exchange))
    parts.append(recorder)
    parts.append(Periodic("app-password-uses", WRITE_SECONDS, logins.app_passwords.write_uses))
    if certificates is not None:
        parts.append(Periodic("certificates", _CERTIFICATE_SECONDS, certificates.refresh))
    parts.extend(_listeners(settings, backend, resources))
    return parts


def _backend(
    store: Store, events: MailboxEvents, watch: MailboxWatch, logins: Authenticator, access: AccessWatch
) -> ImapServices:
    messages = Messages(store, events)
    return ImapServices(
        mailboxes=Mailboxes(store),
        messages=messages,
        blobs=Blobs(store),
        authenticator=logins,
        access=access,
        quotas=AccountQuotas(store),
        events=watch,
        accounts=AccountSessions(),
        keywords=MailboxKeywords(messages.flag_states, time.monotonic),
        concurrency=ConcurrencyLimits(),
        now=now_utc,
        monotonic=time.monotonic,
    )


def _listeners(
    settings: ImapSettings, backend: ImapServices, resources: ListenerResources
) -> Iterator[Listener]:
    for label, texts, tls_first in (("imap", settings.listen, False), ("imaps", settings.tls_listen, True)):
        if texts:
            factory = ImapConnectionFactory(label, backend, settings.options())
            yield Listener(factory, endpoints(texts), resources, tls_first=tls_first)


if __name__ == "__main__":
    main()
