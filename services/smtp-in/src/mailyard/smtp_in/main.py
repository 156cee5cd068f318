"""smtp-in: receives mail by MX, submission and LMTP. It answers 250 when a message is durably stored, and not before."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from mailyard.broker.connection import Broker
from mailyard.broker.publisher import TicketPublisher
from mailyard.directory.accesswatch import POLL_SECONDS, AccessWatch
from mailyard.directory.apppasswordlogins import WRITE_SECONDS
from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.loginlog.recorder import LoginRecorder
from mailyard.directory.passwords import Passwords
from mailyard.directory.settings import postmaster_of
from mailyard.directory.throttle.exchange import EXCHANGE_SECONDS
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.listener import Listener, ListenerResources
from mailyard.listening.settings import endpoints
from mailyard.mailbox.quota import usage_of
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.logs import get_logger
from mailyard.runtime.periodic import Periodic
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import load_settings
from mailyard.smtp.server.limits import EarlyData, Mode, Profile
from mailyard.smtp_in.factory import SmtpConnectionFactory
from mailyard.smtp_in.hygiene.build import greeting_delay, hygiene_hooks
from mailyard.smtp_in.listeners import MODES, ListenerName, ListenerProfile, ReceptionServices
from mailyard.smtp_in.measures import Measures
from mailyard.smtp_in.pressure import Pressure
from mailyard.smtp_in.quota import QuotaGate
from mailyard.smtp_in.sampling import Sampler
from mailyard.smtp_in.sendingstatus import SendingStatus
from mailyard.smtp_in.settings import SmtpInSettings
from mailyard.smtp_in.submissionpolicy import SubmissionPolicy
from mailyard.spool.queue.spool import Spool
from mailyard.spool.watch.progress import ProgressReporter
from mailyard.store.client import Store

_SERVICE = "smtp-in"
_PRESSURE_SECONDS = 10.0
_CERTIFICATE_SECONDS = 60.0
_WITHOUT_BROKER = "mail is accepted and stored; it is routed when RabbitMQ is back"
_log = get_logger(__name__)


def main() -> None:
    """Run the service."""
    sys.exit(run(_SERVICE, load_settings(SmtpInSettings), build))


async def build(runtime: Runtime[SmtpInSettings]) -> Sequence[Component]:
    """Put the service together; listeners come last, so they drain first."""
    settings = runtime.settings
    listeners = endpoints_of(settings)
    certificates = settings.certificates(
        tls_first="submissions_listen" if ListenerName.SUBMISSIONS in listeners else "",
        login="submission_listen" if ListenerName.SUBMISSION in listeners else "",
    )
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    broker = Broker(
        settings.amqp_url.get_secret_value(), settings.instance, required=False, meanwhile=_WITHOUT_BROKER
    )
    publisher = TicketPublisher(broker)
    spool = Spool(store, publisher, stage=_SERVICE, test_skip_confirm=settings.test_skip_confirm)
    directory = Directory(store, settings.cache_limits(), postmaster=postmaster_of(settings))
    access = AccessWatch(store, directory.forget)
    passwords = Passwords(settings.hash_cost(), threads=settings.password_threads)
    recorder = LoginRecorder(store, directory.policies, settings.login_log_days)
    logins = Authenticator(
        store, directory, passwords, settings.login_limits(), access=access, recorder=recorder
    )
    pressure = Pressure(spool, settings, Sampler(store, broker).measure)
    memory = MemoryBudget(settings.memory_octets)
    inline = settings.inline_filter(memory)
    hygiene = hygiene_hooks(settings, settings.hostname, directory.policies, store)
    backend = ReceptionServices(
        addresses=directory,
        logins=logins,
        sessions=access,
        bodies=spool.blobs,
        queue=spool,
        pressure=pressure,
        postmaster_domain=settings.postmaster_domain or settings.hostname,
        quotas=QuotaGate(partial(usage_of, store), settings.over_quota, time.monotonic),
        trace=settings.trace(),
        rules=settings.submission_rules(),
        memory=memory,
        first_hooks=hygiene.first,
        more_hooks=(
            SendingStatus(directory),
            SubmissionPolicy(directory.policies),
            *hygiene.last,
            *(() if inline is None else (inline,)),
        ),
    )
    parts: list[Component] = [store, broker, spool]
    parts.append(ProgressReporter(store, settings.instance, publisher=publisher))
    parts.append(Periodic("access", POLL_SECONDS, access.poll))
    parts.append(Periodic("logins", EXCHANGE_SECONDS, logins.exchange.exchange))
    parts.append(recorder)
    parts.append(Periodic("app-password-uses", WRITE_SECONDS, logins.app_passwords.write_uses))
    parts.append(Periodic("pressure", _PRESSURE_SECONDS, pressure.sample))
    if certificates is not None:
        parts.append(Periodic("certificates", _CERTIFICATE_SECONDS, certificates.refresh))
    admission = settings.admission()
    if admission.most < settings.connections:
        _log.warning("smtp_in.few_files", admitted=admission.most, wanted=settings.connections)
    resources = ListenerResources(
        admission=admission,
        memory=backend.memory,
        certificates=certificates,
        proxies=settings,
        backlog=settings.backlog,
    )
    with_login = resources
    if certificates is not None and settings.submission_client_authority_file is not None:
        asking = settings.certificates(client_authority=settings.submission_client_authority_file)
        assert asking is not None, "there is a certificate"
        parts.append(Periodic("submission-certificates", _CERTIFICATE_SECONDS, asking.refresh))
        with_login = replace(resources, certificates=asking)
    for name, given in listeners.items():
        listener = listener_of(name, settings, backend, offers_starttls=certificates is not None)
        factory = SmtpConnectionFactory(listener, settings)
        shared = with_login if MODES[name] is Mode.SUBMISSION else resources
        parts.append(Listener(factory, given, shared, tls_first=name is ListenerName.SUBMISSIONS))
    return parts


def endpoints_of(settings: SmtpInSettings) -> dict[ListenerName, list[Endpoint]]:
    """Return the listeners that are set, with their endpoints."""
    texts = {
        ListenerName.MX: settings.mx_listen,
        ListenerName.SUBMISSION: settings.submission_listen,
        ListenerName.SUBMISSIONS: settings.submissions_listen,
        ListenerName.LMTP: settings.lmtp_listen,
    }
    listeners = {name: endpoints(given) for name, given in texts.items() if given}
    if not listeners:
        raise Misconfigured("smtp-in listens nowhere: set one of MAILYARD_SMTP_IN_MX_LISTEN, _SUBMISSION_LISTEN,"
                            " _SUBMISSIONS_LISTEN, _LMTP_LISTEN, for instance to 0.0.0.0:25")  # fmt: skip
    return listeners


def listener_of(
    name: ListenerName, settings: SmtpInSettings, backend: ReceptionServices, *, offers_starttls: bool
) -> ListenerProfile:
    """Describe one listener."""
    profile = Profile(
        mode=MODES[name],
        hostname=settings.hostname,
        limits=settings.limits(),
        starttls=offers_starttls,
        bare_newline=settings.bare_newline,
        nul=settings.nul,
        early_data=settings.early_data if name is ListenerName.MX else EarlyData.ACCEPT,
        binarymime=settings.binarymime,
    )
    return ListenerProfile(
        name=name,
        profile=profile,
        backend=backend,
        measures=Measures(name),
        plaintext_auth_on_loopback=settings.plaintext_auth == "loopback",
        greeting_delay=greeting_delay(settings, name),
    )


if __name__ == "__main__":
    main()
