"""What hygiene did: findings, metrics and log lines have the same check, rule and text."""

from mailyard.directory.policy import HygieneMode
from mailyard.proto.v1.ticket_pb2 import Action
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.smtp_in.hooks import HookResult, SmtpContext
from mailyard.smtp_in.hygiene.concern import Concern
from mailyard.spool.finding import Finding

_log = get_logger(__name__)


class HygieneOutcomes:
    """Turns a concern into what a hook returns."""

    def __init__(self) -> None:
        self._concerns = counter("mailyard_smtp_in_hygiene_total")

    def of(self, context: SmtpContext, check: str, concern: Concern, mode: HygieneMode) -> HookResult:
        """Refuse, or note the concern: once in a transaction, however many recipients it has."""
        if mode is HygieneMode.REFUSE:
            self.count(context, check, "refused")
            return concern.reply
        if any(each.check == check and each.rule == concern.rule for each in context.transaction.findings):
            return None
        self.count(context, check, "noted")
        _log.info(
            "smtp_in.hygiene_noted",
            check=check,
            rule=concern.rule,
            text=concern.text,
            client_ip=context.client.address,
            sender=context.transaction.sender,
        )
        return (Finding(check, concern.rule, Action.ACTION_PASS, concern.text),)

    def count(self, context: SmtpContext, check: str, outcome: str) -> None:
        """Count one outcome of a check."""
        self._concerns.labels(context.listener, check, outcome).inc()
