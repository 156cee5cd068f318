"""Content is judged before a message is accepted: a hook asks the filter, and a rejection becomes a 5xx in the dialogue.

Off by default. Only a rejection has an effect here. Whatever else the filter says, and whenever it does not answer, the
message takes the normal way and is judged in the queue. Small bodies are sent along, large ones are in the store already.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from mailyard.listening.budget import MemoryBudget
from mailyard.proto.v1.ticket_pb2 import Action, JudgeRequest, Recipient, Ticket, Verdict
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.filterclient import FilterClient
from mailyard.smtp_in.hooks import Asked, HookResult, SmtpContext, SmtpHook
from mailyard.spool.acceptance import Acceptance
from mailyard.spool.finding import Finding, finding_message
from mailyard.spool.origin import origin_of_client

_NAME = "inline"
_MOST_LEGS = 20
_TEXT_CHARACTERS = 400  # RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets
_UNASSIGNED = "unassigned"  # stands for the spool id in the Received field that the filter sees
_DEFAULT_STATUS = "5.7.1"
_log = get_logger(__name__)


class InlineSettings(BaseModel):
    """Settings of verdicts before acceptance."""

    inline_listeners: tuple[Literal["mx", "submission", "submissions", "lmtp"], ...] = Field(
        default=(),
        description="Listeners whose messages the filter judges before they are accepted, comma-separated: a rejection"
        " becomes a 5xx reply instead of a bounce or a quarantine. Empty: none.",
    )
    inline_url: str = Field(
        default="",
        pattern=r"^(http://[^\s/@]+/?)?$",
        description="Where the filter answers, http://host:port with the port of MAILYARD_FILTER_INLINE_PORT.",
    )
    inline_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="How long the filter may take; then the message is accepted and judged in the queue.",
    )
    inline_requests: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description="Questions to the filter at the same time at most; further messages are accepted without one.",
    )

    @model_validator(mode="after")
    def _filter_is_named(self) -> Self:
        if self.inline_listeners and not self.inline_url:
            raise ValueError("inline_listeners needs inline_url, for instance http://filter:9104")
        return self

    def inline_filter(self, memory: MemoryBudget) -> "InlineFilter | None":
        """Return the hook, None when it is off."""
        if not self.inline_listeners:
            return None
        client = FilterClient(self.inline_url, self.inline_seconds)
        return InlineFilter(client, self.inline_listeners, memory, at_once=self.inline_requests)


class InlineFilter(SmtpHook):
    """Asks the filter at the end of a message. What it could not ask it says in a finding."""

    def __init__(
        self,
        client: FilterClient,
        listeners: Collection[str],
        memory: MemoryBudget,
        *,
        at_once: int,
        clock: Clock = now_utc,
    ) -> None:
        """Ask `client` about messages of `listeners`; requests count in `memory`, at most `at_once` are under way."""
        self._client = client
        self._listeners = frozenset(listeners)
        self._memory = memory
        self._at_once = at_once
        self._clock = clock
        self._under_way = 0
        self._messages = counter("mailyard_smtp_in_inline_messages_total")

    def on_end_of_data(self, context: SmtpContext, message: Acceptance) -> Asked:
        """Refuse a message that the filter rejects for all of its recipients."""
        if context.listener not in self._listeners:
            return None
        legs = legs_of(message, context.transaction.sites)
        if len(legs) > _MOST_LEGS:
            return self._skipped("too-many-legs", f"the message goes more than {_MOST_LEGS} ways")
        if self._under_way >= self._at_once:
            return self._skipped("busy", f"{self._at_once} questions are under way")
        return self._ask(legs, message)

    async def _ask(self, legs: Sequence["PlannedLeg"], message: Acceptance) -> HookResult:
        octets = message.body.octets or b""
        prefix = message.prefix(_UNASSIGNED, self._clock())
        self._under_way += 1
        holding = self._memory.holding()
        holding.grow(3 * len(octets))  # as one piece, in the request, and as the request is sent
        try:
            tickets = [_ticket(leg, message, prefix) for leg in legs]
            response = await self._client.judge(JudgeRequest(legs=tickets, octets=octets))
        except Unavailable as error:
            _log.warning("smtp_in.inline_failed", error=str(error))
            return self._skipped("unavailable", str(error)[:200])
        finally:
            self._under_way -= 1
            holding.release()
        refusal = refusal_of(response.verdicts)
        self._messages.labels("accepted" if refusal is None else "rejected").inc()
        return refusal

    def _skipped(self, rule: str, text: str) -> Sequence[Finding]:
        self._messages.labels(rule).inc()
        return (Finding(_NAME, rule, Action.ACTION_PASS, text),)


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """A part of a message that the router will send one way, as far as that is known before aliases are followed."""

    tenant: str
    site: str  # the domain of remote recipients; empty: local
    recipients: tuple[Recipient, ...]


def legs_of(message: Acceptance, sites: Sequence[str]) -> list[PlannedLeg]:
    """Return the legs of a message: local recipients by tenant, remote ones by domain."""
    groups: dict[tuple[str, str], list[Recipient]] = {}
    for recipient, site in zip(message.recipients, sites, strict=True):
        groups.setdefault((recipient.tenant, site), []).append(recipient)
    return [PlannedLeg(tenant, site, tuple(members)) for (tenant, site), members in groups.items()]


def refusal_of(verdicts: Sequence[Verdict]) -> Reply | None:
    """Return the reply to a message of which every leg is rejected; the first rejection gives the words."""
    if not verdicts or any(verdict.action != Action.ACTION_REJECT for verdict in verdicts):
        return None
    status = verdicts[0].status if verdicts[0].status.startswith("5.") else _DEFAULT_STATUS
    text = " ".join(verdicts[0].text.split()).encode("ascii", "replace").decode()
    return reply(550, status, text[:_TEXT_CHARACTERS])


def _ticket(leg: PlannedLeg, message: Acceptance, prefix: bytes) -> Ticket:
    return Ticket(
        tenant=leg.tenant,
        sender=message.sender,
        recipients=leg.recipients,
        blob_id=message.body.blob_id.binary,
        size=message.body.size,
        prefix=prefix,
        site=leg.site,
        source=message.source,
        origin=origin_of_client(message.source, message.client),
        findings=[finding_message(each) for each in message.findings],
    )
