"""The hook of the limits of sending: mail of a login beyond a limit is accepted and held (`mailyard.directory.sending`)."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from mailyard.directory.identity import Identity
from mailyard.directory.policy import DomainPolicy
from mailyard.directory.sending.meter import SendingMeter
from mailyard.directory.sending.rates import Jump, Rates, SendingLimits
from mailyard.message.address import Address
from mailyard.runtime.renames import VersionAdded
from mailyard.smtp_in.hooks import NO_POLICY, HookResult, SmtpContext, SmtpHook
from mailyard.spool.acceptance import Acceptance


def _rates(text: str) -> str:
    Rates.parse(text)
    return text


_RatesText = Annotated[str, AfterValidator(_rates), VersionAdded("0.3.0")]


class SendingSettings(BaseModel):
    """The limits of sending where no policy says otherwise."""

    account_recipients: _RatesText = Field(
        default="500/minute, 2000/hour, 5000/day",
        description="Recipients of submitted mail of one account within a minute, hour and day of UTC; mail beyond is held"
        " until `mailyard held` releases or discards it. none: no limit.",
    )
    domain_recipients: _RatesText = Field(
        default="10000/hour, 50000/day",
        description="The same for all accounts of one domain together. none: no limit.",
    )
    tenant_recipients: _RatesText = Field(
        default="20000/hour, 100000/day",
        description="The same for all accounts of one tenant together. none: no limit.",
    )
    jump_factor: Annotated[int, VersionAdded("0.3.0")] = Field(
        default=10,
        ge=0,
        le=1000,
        description="Mail of an account is held when it sends in a day to this many times the recipients of its average day"
        " with mail; 0: never.",
    )
    jump_minimum: Annotated[int, VersionAdded("0.3.0")] = Field(
        default=1000,
        ge=0,
        description="Up to this many recipients of a day, nothing is a jump; a new account has no usual rate, so this is its"
        " limit of the first day.",
    )

    def sending_limits(self) -> SendingLimits:
        """Return the limits of the installation."""
        return SendingLimits(
            account=Rates.parse(self.account_recipients),
            domain=Rates.parse(self.domain_recipients),
            tenant=Rates.parse(self.tenant_recipients),
            jump=Jump(self.jump_factor, self.jump_minimum),
        )


@dataclass(frozen=True, slots=True)
class _UnderPolicy:
    policy: DomainPolicy
    limits: SendingLimits


class SendingLimitPolicy(SmtpHook):
    """Counts what logins send, and notes which messages are held. It is asked last, so that it counts what is accepted."""

    def __init__(self, meter: SendingMeter, defaults: SendingLimits) -> None:
        self._meter = meter
        self._defaults = defaults
        self._last = _UnderPolicy(NO_POLICY, defaults)

    def on_mail(self, context: SmtpContext, sender: Address | None) -> Awaitable[HookResult] | None:
        """Read what others have counted, once for each login that was not active here."""
        _ = sender
        if context.identity is None or self._meter.knows(context.identity):
            return None
        return self._load(context.identity)

    def on_end_of_data(self, context: SmtpContext, message: Acceptance) -> None:
        """Count the recipients."""
        if context.identity is not None:
            limits = self._limits_under(context.transaction.policy)
            context.transaction.hold = self._meter.admit(context.identity, len(message.recipients), limits)

    async def _load(self, identity: Identity) -> None:
        await self._meter.load(identity)

    def _limits_under(self, policy: DomainPolicy) -> SendingLimits:
        if self._last.policy is not policy:  # policies are cached: messages of one domain share theirs
            self._last = _UnderPolicy(policy, limits_under(self._defaults, policy))
        return self._last.limits


def limits_under(defaults: SendingLimits, policy: DomainPolicy) -> SendingLimits:
    """Return the limits with those that a policy sets."""
    jump = defaults.jump
    return SendingLimits(
        account=policy.account_recipients or defaults.account,
        domain=policy.domain_recipients or defaults.domain,
        tenant=policy.tenant_recipients or defaults.tenant,
        messages_day=policy.messages_per_day,
        jump=Jump(
            jump.factor if policy.jump_factor is None else policy.jump_factor,
            jump.minimum if policy.jump_minimum is None else policy.jump_minimum,
        ),
    )
