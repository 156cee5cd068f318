"""Recipient probing: a client that names many unknown recipients looks for addresses, and has to pause."""

import time
from collections.abc import Mapping

from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.model import Resolution
from mailyard.directory.policy import HygieneMode
from mailyard.message.address import Address
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.hooks import HookResult, SmtpContext, SmtpHook
from mailyard.smtp_in.hygiene.buckets import Buckets
from mailyard.smtp_in.hygiene.concern import Concern
from mailyard.smtp_in.hygiene.networks import counted_as
from mailyard.smtp_in.hygiene.outcomes import HygieneOutcomes
from mailyard.smtp_in.hygiene.scope import HygieneScope

CHECK = "recipient_probing"
_HOUR = 3600.0
_NETWORK_FACTOR = 4
_ENTRIES = 20_000
_TEXT = "Too many unknown recipients from your network, please try again later"
_UNKNOWN = "5.1.1"
_log = get_logger(__name__)


class RecipientProbing(SmtpHook):
    """Counts unknown recipients by client and by network, and lets those pause that named too many."""

    def __init__(
        self,
        scope: HygieneScope,
        modes: Mapping[str, HygieneMode],
        most: int,
        pause_seconds: float,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Permit `most` unknown recipients of a client in an hour, four times as many of a network."""
        self._scope = scope
        self._modes = modes
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._clients = Buckets(most, most / _HOUR)
        self._networks = Buckets(most * _NETWORK_FACTOR, most * _NETWORK_FACTOR / _HOUR)
        self._paused: TtlCache[str, bool] = TtlCache(_ENTRIES, clock)  # clients and networks
        self._outcomes = HygieneOutcomes()

    def on_connect(self, context: SmtpContext) -> HookResult:
        """Refuse connections in a pause."""
        return self._judge(context, _CONNECTION)

    def on_mail(self, context: SmtpContext, sender: Address | None) -> HookResult:
        """Refuse senders in a pause."""
        _ = sender
        return self._judge(context, _COMMAND)

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> HookResult:
        """Refuse recipients in a pause, known ones too: which are known is what the client wants to learn."""
        _ = recipient, resolution
        return self._judge(context, _COMMAND)

    def on_refused(self, context: SmtpContext, refusal: Reply) -> float:
        """Count an unknown recipient."""
        if refusal.enhanced == _UNKNOWN and self._is_on(context):
            now, counted = self._clock(), counted_as(context.client.address)
            self._count(self._clients, counted.address, now)
            self._count(self._networks, counted.network, now)
        return 0.0

    def _count(self, buckets: Buckets, key: str, now: float) -> None:
        if not buckets.take(key, now) and self._paused.get(key) is None:
            self._paused.put(key, True, self._pause_seconds)
            _log.info("smtp_in.recipient_probing", network=key, pause_seconds=self._pause_seconds)

    def _is_on(self, context: SmtpContext) -> bool:
        is_off = self._modes[context.listener] is HygieneMode.OFF
        return not is_off and self._scope.client(context) is not None

    def _judge(self, context: SmtpContext, concern: Concern) -> HookResult:
        if not len(self._paused) or not self._is_on(context):
            return None
        counted = counted_as(context.client.address)
        if self._paused.get(counted.address) is None and self._paused.get(counted.network) is None:
            return None
        return self._outcomes.of(context, CHECK, concern, self._modes[context.listener])


_CONNECTION = Concern("paused", "too many unknown recipients", reply(421, "4.7.0", _TEXT))
_COMMAND = Concern("paused", "too many unknown recipients", reply(450, "4.7.1", _TEXT))
