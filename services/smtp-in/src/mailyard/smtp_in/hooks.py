"""The contract of hooks: code that is asked at each step of the SMTP dialogue, before a message is accepted.

A hook returns nothing, findings that are kept in the ticket for the filter, or a reply that refuses. What it knows at
once it returns at once; else it returns an awaitable of the same. Hooks are asked in the order of
`ReceptionServices.hooks`, and the first refusal ends the question. `mailyard.smtp_in.policy` holds those that are always asked.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from mailyard.directory.identity import Identity
from mailyard.directory.model import Resolution
from mailyard.directory.policy import DomainPolicy
from mailyard.message.address import Address
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.smtp.parameters import NO_MAIL_PARAMETERS, MailParameters
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.headerfilters import NOTHING_MISSING, Missing, Rewritten
from mailyard.smtp_in.hygiene.concern import JudgedClient
from mailyard.smtp_in.peer import SmtpPeer
from mailyard.spool.acceptance import Acceptance
from mailyard.spool.finding import Finding

HookResult = Reply | Sequence[Finding] | None
Asked = HookResult | Awaitable[HookResult]

NO_POLICY = DomainPolicy()
_RECIPIENT_OCTETS = 1024  # objects of one recipient here and in the session, without their texts
_FINDING_OCTETS = 512


@dataclass(slots=True)
class MailTransaction:
    """What MAIL and RCPT said and hooks agreed to (RFC 5321 section 3.3)."""

    sender: str = ""
    parameters: MailParameters = NO_MAIL_PARAMETERS
    recipients: list[Recipient] = field(default_factory=list)
    sites: list[str] = field(
        default_factory=list
    )  # of each recipient: the domain of a remote one, else empty
    findings: list[Finding] = field(default_factory=list)
    policy: DomainPolicy = NO_POLICY  # of the login's domain; `SubmissionPolicy` sets it at MAIL
    missing: Missing = NOTHING_MISSING
    rewritten: Sequence[Rewritten] = ()
    octets: int = 0  # of memory that recipients and findings take

    def add(self, recipient: Recipient, site: str) -> None:
        """Add a recipient that was accepted."""
        self.recipients.append(recipient)
        self.sites.append(site)
        self.octets += _RECIPIENT_OCTETS + 2 * (len(recipient.address) + len(recipient.orcpt))

    def note(self, findings: Sequence[Finding]) -> None:
        """Keep findings for the ticket."""
        self.findings.extend(findings)
        self.octets += _FINDING_OCTETS * len(findings)


@dataclass(slots=True)
class SmtpContext:
    """What is known about the client and its transaction.

    Hooks change nothing of it, with these exceptions: `SubmissionPolicy` notes the policy, hygiene its state and the host name.
    """

    listener: str
    mode: Mode
    client: SmtpPeer
    helo: str = ""  # in EHLO, HELO or LHLO; empty before
    identity: Identity | None = None  # after AUTH
    client_host: str = ""  # host name by reverse DNS that forward DNS confirms; empty: not looked up
    spoke_early: bool = False  # before the greeting
    hygiene: JudgedClient | None = None  # what checks of the client have found out
    transaction: MailTransaction = field(default_factory=MailTransaction)


class SmtpHook:
    """One hook: override the steps that it is about.

    Any awaitable may raise Unavailable; the client gets 451 then.
    """

    def on_connect(self, context: SmtpContext) -> Asked:
        """A client has connected. A refusal that is known at once takes the place of the banner, else it answers MAIL."""

    def on_helo(self, context: SmtpContext) -> Asked:
        """A client has said its name. Asked at the next MAIL, which a refusal answers: until then, no harm is done."""

    def on_mail(self, context: SmtpContext, sender: Address | None) -> Asked:
        """MAIL came; None is the null reverse-path."""

    def on_rcpt(self, context: SmtpContext, recipient: Address, resolution: Resolution) -> Asked:
        """RCPT came, and the directory has said what the address is."""

    def on_end_of_data(self, context: SmtpContext, message: Acceptance) -> Asked:
        """All of a message has come; without a refusal it is given to the spool."""

    def on_refused(self, context: SmtpContext, refusal: Reply) -> float:
        """Note a refusal, and return for how many seconds it shall wait; the longest wait of all hooks counts.

        A refusal of the protocol itself, such as of an unknown command, has been said already and waits in no case.
        """
        _ = context, refusal
        return 0.0


class Hooks:
    """Hooks by the steps that they override: a step that nobody overrides costs nothing."""

    def __init__(self, hooks: Sequence[SmtpHook]) -> None:
        """Ask `hooks` in this order."""
        self.connect = _overriding(hooks, "on_connect")
        self.helo = _overriding(hooks, "on_helo")
        self.mail = _overriding(hooks, "on_mail")
        self.rcpt = _overriding(hooks, "on_rcpt")
        self.refused = _overriding(hooks, "on_refused")
        self.end_of_data = _overriding(hooks, "on_end_of_data")


def _overriding(hooks: Sequence[SmtpHook], step: str) -> tuple[SmtpHook, ...]:
    return tuple(hook for hook in hooks if getattr(type(hook), step) is not getattr(SmtpHook, step))
