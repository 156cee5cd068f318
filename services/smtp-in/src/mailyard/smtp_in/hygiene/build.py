"""Makes the hooks of hygiene from settings: the one place that knows all checks."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.directory.greylist import Greylist
from mailyard.directory.policies import Policies
from mailyard.dns.resolver import DnsOptions, DnsResolver
from mailyard.smtp_in.hooks import SmtpHook
from mailyard.smtp_in.hygiene.checks import ClientCheck, RecipientCheck
from mailyard.smtp_in.hygiene.clientlimits import ClientLimits
from mailyard.smtp_in.hygiene.clientname import ClientNameCheck
from mailyard.smtp_in.hygiene.dnsbl import DnsListCheck
from mailyard.smtp_in.hygiene.dnslists import DnsList
from mailyard.smtp_in.hygiene.dnsquestions import DnsQuestions
from mailyard.smtp_in.hygiene.earlytalker import EarlyTalkerCheck, GreetingDelay
from mailyard.smtp_in.hygiene.gate import HygieneGate
from mailyard.smtp_in.hygiene.greylisting import GreylistCheck
from mailyard.smtp_in.hygiene.helo import HeloCheck
from mailyard.smtp_in.hygiene.modes import modes_of
from mailyard.smtp_in.hygiene.nullsender import NullSenderCheck
from mailyard.smtp_in.hygiene.probing import RecipientProbing
from mailyard.smtp_in.hygiene.scope import HygieneScope
from mailyard.smtp_in.hygiene.settings import HygieneSettings
from mailyard.smtp_in.hygiene.tarpit import Tarpit
from mailyard.store.client import Store


@dataclass(frozen=True, slots=True)
class HygieneHooks:
    """`first` are asked before all other hooks, because they hide which recipients exist; `last` after them."""

    first: Sequence[SmtpHook] = ()
    last: Sequence[SmtpHook] = ()


def hygiene_hooks(settings: HygieneSettings, hostname: str, policies: Policies, store: Store) -> HygieneHooks:
    """Return the hooks that are switched on; without a listener there are none."""
    if not settings.hygiene_listeners:
        return HygieneHooks()
    scope = HygieneScope(settings.hygiene_listeners, settings.hygiene_trusted_networks)
    checks = checks_of(settings, hostname, Greylist(store))
    modes = {each.name: modes_of(getattr(settings, each.name)) for each in checks}
    gate = HygieneGate(
        scope, modes, checks, policies, always=[DnsListCheck.name] if settings.dnsbl_lists else []
    )
    first: list[SmtpHook] = []
    if settings.tarpit_seconds:
        first.append(
            Tarpit(scope, settings.tarpit_seconds, settings.tarpit_refusals, settings.tarpit_replies)
        )
    if settings.client_limits != "off":
        first.append(ClientLimits(scope, modes_of(settings.client_limits), settings.minute_limits()))
    if settings.recipient_probing != "off":
        probing = modes_of(settings.recipient_probing)
        first.append(
            RecipientProbing(
                scope, probing, settings.recipient_probing_unknown, settings.recipient_probing_seconds
            )
        )
    return HygieneHooks(first, [gate])


def greeting_delay(settings: HygieneSettings, listener: str) -> GreetingDelay | None:
    """Return how long clients of a listener wait for the greeting; None: not at all."""
    if not settings.greeting_seconds or listener not in settings.hygiene_listeners:
        return None
    return GreetingDelay(settings.greeting_seconds, settings.hygiene_trusted_networks)


def checks_of(settings: HygieneSettings, hostname: str, rows: Greylist) -> list[ClientCheck | RecipientCheck]:
    """Return all checks in the order in which a recipient is judged.

    Names that strangers choose are asked about apart from blocklists, so that slow name servers of theirs hide no list.
    """
    options = DnsOptions(
        settings.hygiene_dns_servers,
        settings.hygiene_dns_port,
        settings.hygiene_dns_seconds,
        one_datagram=True,
    )
    resolver = DnsResolver(options)
    about_lists = DnsQuestions(resolver, settings.hygiene_dns_questions)
    about_names = DnsQuestions(resolver, settings.hygiene_dns_questions)
    lists = [DnsList.parse(text) for text in settings.dnsbl_lists]
    return [
        DnsListCheck(lists, settings.dnsbl_threshold, about_lists),
        ClientNameCheck(about_names),
        EarlyTalkerCheck(),
        HeloCheck(settings.helo_rules, hostname, about_names),
        NullSenderCheck(),
        GreylistCheck(rows, settings.greylist_rules(), settings.greylisting_known_networks),
    ]
