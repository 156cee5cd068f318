"""The hook that asks checks, and answers RCPT by the mode that applies to the recipient.

Checks of the client begin when it connects or says its name, where its listener has them on. Their concerns count at RCPT,
because the recipient's tenant or domain may have another mode than the listener, and because the log then names sender and recipient.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from mailyard.directory.model import Remote, Resolution
from mailyard.directory.policies import Policies
from mailyard.directory.policy import DomainPolicy, HygieneMode
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.hooks import NO_POLICY, Asked, HookResult, SmtpContext, SmtpHook
from mailyard.smtp_in.hygiene.checks import ClientCheck, Judgement, RecipientCheck, RecipientQuestion
from mailyard.smtp_in.hygiene.concern import Concern, JudgedClient
from mailyard.smtp_in.hygiene.outcomes import HygieneOutcomes
from mailyard.smtp_in.hygiene.scope import HygieneScope
from mailyard.spool.finding import Finding

Modes = Mapping[str, Mapping[str, HygieneMode]]
"""Modes by check and listener."""


@dataclass(slots=True)
class _Progress:
    """How far the checks of one recipient have come."""

    question: RecipientQuestion
    next_check: int = 0
    findings: list[Finding] = field(default_factory=list)


class HygieneGate(SmtpHook):
    """Asks checks of the client, then those of the recipient, in their order; the first refusal counts."""

    def __init__(
        self,
        scope: HygieneScope,
        modes: Modes,
        checks: Sequence[ClientCheck | RecipientCheck],
        policies: Policies,
        *,
        always: Sequence[str] = (),
    ) -> None:
        """Ask `checks` where `modes` or the policy of a recipient's domain has them on.

        Args:
            scope: whom they are about.
            modes: of the installation.
            checks: in the order in which they are asked.
            policies: of the recipients' domains.
            always: names of checks of the client that are asked in any case, because other checks need their results.

        """
        self._scope = scope
        self._modes = modes
        self._checks = tuple(checks)
        self._policies = policies
        self._always = frozenset(always)
        clients = [each for each in checks if isinstance(each, ClientCheck)]
        self._at_connect = tuple(each for each in clients if not each.depends_on_helo)
        self._at_helo = tuple(each for each in clients if each.depends_on_helo)
        self._outcomes = HygieneOutcomes()

    def on_connect(self, context: SmtpContext) -> Asked:
        """Begin the checks of the address, so that they have ended when MAIL comes."""
        client = self._scope.client(context)
        return None if client is None else self._begin(context, client, self._at_connect)

    def on_helo(self, context: SmtpContext) -> Asked:
        """Begin the checks of the name."""
        client = self._scope.client(context)
        if client is None:
            return None
        for check in self._at_helo:
            client.concerns.pop(check.name, None)
        return self._begin(context, client, self._at_helo)

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> Asked:
        """Judge one recipient by the policy of its domain."""
        client = self._scope.client(context)
        if client is None or isinstance(resolution, Remote):
            return None
        policy = self._policies.of_domain_cached(recipient.domain)
        if policy is None:
            return self._after_policy(context, client, recipient, resolution)
        return self._judge(_Progress(RecipientQuestion(context, client, recipient, resolution, policy)))

    async def _after_policy(
        self, context: SmtpContext, client: JudgedClient, recipient: Address, resolution: Resolution
    ) -> HookResult:
        try:
            policy = await self._policies.of_domain(recipient.domain)
        except Unavailable:
            policy = NO_POLICY
        return await _awaited(
            self._judge(_Progress(RecipientQuestion(context, client, recipient, resolution, policy)))
        )

    # Checks of the client, before a recipient is known.

    def _begin(self, context: SmtpContext, client: JudgedClient, checks: Sequence[ClientCheck]) -> Asked:
        waiting: list[Awaitable[Concern | None]] = []
        for check in checks:
            is_on = self._modes[check.name][context.listener] is not HygieneMode.OFF
            if is_on or check.name in self._always:
                known = self._client_concern(context, client, check)
                if known is not None and isinstance(known, Awaitable):
                    waiting.append(known)
        return _all_of(waiting) if waiting else None

    def _client_concern(self, context: SmtpContext, client: JudgedClient, check: ClientCheck) -> Judgement:
        if check.name in client.concerns:
            return client.concerns[check.name]
        judged = check.judge_client(context, client)
        if judged is None or isinstance(judged, Concern):
            client.concerns[check.name] = judged
            return judged
        return _remember(client, check.name, judged)

    # One recipient.

    def _judge(self, progress: _Progress) -> Asked:
        question = progress.question
        for check in islice(self._checks, progress.next_check, None):
            progress.next_check += 1
            mode = self._mode(check, question.context.listener, question.policy)
            if mode is HygieneMode.OFF:
                continue
            judged = self._judgement(check, question)
            if judged is None:
                continue
            if not isinstance(judged, Concern):
                return self._judge_later(progress, check, mode, judged)
            if (refusal := self._conclude(progress, check, mode, judged)) is not None:
                return refusal
        return progress.findings or None

    async def _judge_later(
        self,
        progress: _Progress,
        check: ClientCheck | RecipientCheck,
        mode: HygieneMode,
        judged: Awaitable[Concern | None],
    ) -> HookResult:
        concern = await judged
        if concern is not None and (refusal := self._conclude(progress, check, mode, concern)) is not None:
            return refusal
        return await _awaited(self._judge(progress))

    def _judgement(self, check: ClientCheck | RecipientCheck, question: RecipientQuestion) -> Judgement:
        if isinstance(check, ClientCheck):
            return self._client_concern(question.context, question.client, check)
        return check.judge_recipient(question)

    def _mode(self, check: ClientCheck | RecipientCheck, listener: str, policy: DomainPolicy) -> HygieneMode:
        own: HygieneMode | None = getattr(policy, check.name)
        return self._modes[check.name][listener] if own is None else own

    def _conclude(
        self, progress: _Progress, check: ClientCheck | RecipientCheck, mode: HygieneMode, concern: Concern
    ) -> Reply | None:
        result = self._outcomes.of(progress.question.context, check.name, concern, mode)
        if isinstance(result, Reply):
            return result
        progress.findings.extend(result or ())
        return None


async def _remember(client: JudgedClient, name: str, judged: Awaitable[Concern | None]) -> Concern | None:
    client.concerns[name] = concern = await judged
    return concern


async def _all_of(waiting: Sequence[Awaitable[Concern | None]]) -> None:
    await asyncio.gather(*waiting)


async def _awaited(asked: Asked) -> HookResult:
    return await asked if isinstance(asked, Awaitable) else asked
