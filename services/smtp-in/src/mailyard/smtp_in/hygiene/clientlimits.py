"""Limits on what one client and the network around it may do in a minute, counted in this process."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from mailyard.directory.cache import Monotonic
from mailyard.directory.model import Resolution
from mailyard.directory.policy import HygieneMode
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.hooks import HookResult, SmtpContext, SmtpHook
from mailyard.smtp_in.hygiene.buckets import Buckets
from mailyard.smtp_in.hygiene.concern import Concern
from mailyard.smtp_in.hygiene.networks import counted_as
from mailyard.smtp_in.hygiene.outcomes import HygieneOutcomes
from mailyard.smtp_in.hygiene.scope import HygieneScope

CHECK = "client_limits"
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class MinuteLimits:
    """Of one client in a minute; 0: no limit. A network has `network_factor` times as much."""

    connections: int = 0
    messages: int = 0
    recipients: int = 0
    errors: int = 0
    network_factor: int = 4


class _Limit:
    """One quantity, of addresses and of networks."""

    def __init__(self, what: str, code: int, most: int, factor: int) -> None:
        status = "4.7.0" if code == 421 else "4.7.1"
        self.concern = Concern(
            what,
            f"more than {most} {what} in a minute",
            reply(code, status, f"Too many {what} from your network, please try again later"),
        )
        self._addresses = Buckets(most, most / _MINUTE)
        self._networks = Buckets(most * factor, most * factor / _MINUTE)

    def take(self, ip: str, now: float) -> bool:
        counted = counted_as(ip)
        return self._addresses.take(counted.address, now) and self._networks.take(counted.network, now)

    def is_reached(self, ip: str, now: float) -> bool:
        counted = counted_as(ip)
        return self._addresses.is_empty(counted.address, now) or self._networks.is_empty(counted.network, now)


class ClientLimits(SmtpHook):
    """Refuses connections with 421, senders and recipients with 451, above a limit."""

    def __init__(
        self,
        scope: HygieneScope,
        modes: Mapping[str, HygieneMode],
        limits: MinuteLimits,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Apply `limits` on listeners whose mode is not off."""
        factor = limits.network_factor
        self._scope = scope
        self._modes = modes
        self._clock = clock
        self._connections = _limit("connections", 421, limits.connections, factor)
        self._messages = _limit("messages", 451, limits.messages, factor)
        self._recipients = _limit("recipients", 451, limits.recipients, factor)
        self._errors = _limit("errors", 421, limits.errors, factor)
        self._outcomes = HygieneOutcomes()

    def on_connect(self, context: SmtpContext) -> HookResult:
        """Count a connection; a client with too many errors has to wait, too."""
        return self._take(context, self._connections) or self._errors_result(context)

    def on_mail(self, context: SmtpContext, sender: Address | None) -> HookResult:
        """Count a message."""
        _ = sender
        return self._take(context, self._messages)

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> HookResult:
        """Count a recipient."""
        _ = recipient, resolution
        return self._take(context, self._recipients)

    def on_refused(self, context: SmtpContext, refusal: Reply) -> float:
        """Count an error of the client: what is refused for good."""
        if self._errors is not None and refusal.is_permanent and self._is_on(context):
            self._errors.take(context.client.address, self._clock())
        return 0.0

    def _is_on(self, context: SmtpContext) -> bool:
        is_off = self._modes[context.listener] is HygieneMode.OFF
        return not is_off and self._scope.client(context) is not None

    def _take(self, context: SmtpContext, limit: _Limit | None) -> HookResult:
        if limit is None or not self._is_on(context) or limit.take(context.client.address, self._clock()):
            return None
        return self._outcomes.of(context, CHECK, limit.concern, self._modes[context.listener])

    def _errors_result(self, context: SmtpContext) -> HookResult:
        limit = self._errors
        if limit is None or not self._is_on(context):
            return None
        if not limit.is_reached(context.client.address, self._clock()):
            return None
        return self._outcomes.of(context, CHECK, limit.concern, self._modes[context.listener])


def _limit(what: str, code: int, most: int, factor: int) -> _Limit | None:
    return _Limit(what, code, most, factor) if most else None
