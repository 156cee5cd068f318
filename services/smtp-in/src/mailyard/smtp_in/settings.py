"""The settings of smtp-in. Every limit has a default that is safe on the open Internet."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mailyard.directory.policy import AuthorPolicy
from mailyard.directory.settings import DirectorySettings, LoginSettings
from mailyard.listening.settings import EndpointTexts, ListenerSettings
from mailyard.runtime.renames import VersionAdded
from mailyard.runtime.settings import settings_config
from mailyard.smtp.server.limits import BareNewline, EarlyData, NulOctet, SmtpLimits
from mailyard.smtp_in.headerfilters import Trace
from mailyard.smtp_in.hygiene.settings import HygieneSettings
from mailyard.smtp_in.inline import InlineSettings
from mailyard.smtp_in.pressure import PressureSettings
from mailyard.smtp_in.sendinglimits import SendingSettings
from mailyard.smtp_in.submitted import SubmissionRules
from mailyard.smtp_in.timeouts import TimeoutSettings


class SmtpInSettings(
    DirectorySettings,
    LoginSettings,
    InlineSettings,
    HygieneSettings,
    SendingSettings,
    TimeoutSettings,
    PressureSettings,
    ListenerSettings,
):
    """Settings of smtp-in."""

    model_config = settings_config("smtp-in")

    mx_listen: EndpointTexts = Field(
        default=("0.0.0.0:2525",),
        description="Where other servers deliver mail for local domains: host:port, comma-separated; empty: off.",
    )
    submission_listen: EndpointTexts = Field(
        default=(), description="Where users hand in mail after STARTTLS and AUTH (RFC 6409); empty: off."
    )
    submissions_listen: EndpointTexts = Field(
        default=(), description="The same with TLS from the start (RFC 8314); empty: off."
    )
    lmtp_listen: EndpointTexts = Field(
        default=(),
        description="Where own gateways hand in mail by LMTP (RFC 2033); keep it inside the cluster; empty: off.",
    )
    submission_client_authority_file: Annotated[Path | None, VersionAdded("0.3.0")] = Field(
        default=None,
        description="Authorities, PEM, whose certificates clients of submission may show. The subject is"
        " noted as a part of the origin of a message. Without it no certificate is requested.",
    )
    postmaster_domain: str = Field(
        default="",
        description="Domain of the bare recipient <Postmaster> (RFC 5321 section 4.1.1.3); empty: hostname.",
    )

    message_size: int = Field(
        default=50 * 1024 * 1024, ge=65_536, description="Octets of one message at most (SIZE, RFC 1870)."
    )
    recipients: int = Field(default=1000, ge=100, description="Recipients of one message at most.")
    bare_newline: BareNewline = Field(
        default=BareNewline.REJECT,
        description="A CR or LF that stands alone: reject the message, or repair it to CRLF.",
    )
    nul: NulOctet = Field(
        default=NulOctet.REPLACE,
        description="A NUL in a message, which mail must not hold (RFC 2045 section 2.8): reject the message, or replace"
        " it by a question mark.",
    )
    binarymime: bool = Field(
        default=False,
        description="Offer BINARYMIME (RFC 3030). Its messages may hold NUL octets, which IMAP clients cannot fetch and"
        " few hosts take.",
    )
    early_data: EarlyData = Field(
        default=EarlyData.REJECT,
        description="A client of mx_listen that sends its message before it is told to (RFC 2920 section 3.1), as spam"
        " programs do: reject it and close, or accept.",
    )
    received_fields: int = Field(
        default=100,
        ge=20,
        le=1000,
        description="Received fields of one message at most; more are a mail loop (RFC 5321 section 6.3).",
    )
    authserv_id: str = Field(
        default="",
        max_length=255,
        description="Name under which this installation writes Authentication-Results; fields of this name that come"
        " from outside are removed (RFC 8601 section 5). Empty: hostname.",
    )
    foreign_author: AuthorPolicy = Field(
        default=AuthorPolicy.REFUSE,
        description="Submitted mail whose From, Sender, Resent-From or Resent-Sender is no address of the login: refuse"
        " it, rewrite the field to the account's address (the original goes to X-Original-From), or allow it.",
    )
    submitted_header: int = Field(
        default=262_144,
        ge=16_384,
        le=1_048_576,
        description="Octets of the header section of a submitted message at most; it is held and checked as a whole.",
    )
    command_line: int = Field(
        default=4096, ge=512, le=65_536, description="Octets of one command line at most, CRLF included."
    )
    commands: int = Field(default=100_000, ge=100, description="Commands of one connection at most.")
    idle_commands: int = Field(
        default=100, ge=5, description="Commands like NOOP and RSET since the last accepted message at most."
    )
    errors: int = Field(
        default=20, ge=1, description="Errors and failed logins since the last accepted message at most."
    )
    refused_recipients: int = Field(
        default=100, ge=1, description="Refused recipients since the last accepted message at most."
    )

    connections: int = Field(
        default=4000,
        ge=1,
        description="Open connections of this process at most; each takes about 4 KiB in clear, 50 KiB under TLS.",
    )
    memory_octets: int = Field(
        default=128 * 1024 * 1024,
        ge=16 * 1024 * 1024,
        description="Octets of mail and commands that all connections of this process hold at most. Above half of it,"
        " bodies are written to MongoDB early; at the limit new messages get 452.",
    )
    over_quota: Literal["defer", "refuse"] = Field(
        default="defer",
        description="Answer at RCPT for a mailbox that is over its quota: defer says 452 4.2.2, and the sender tries"
        " again; refuse says 552 5.2.2, and the sender returns the message.",
    )

    test_skip_confirm: bool = Field(
        default=False,
        description="Say 250 before a message is stored. It loses mail: it is there to prove that tests see a loss.",
    )

    def trace(self) -> Trace:
        """Return what is checked in every header section."""
        own = (self.authserv_id or self.hostname).lower().rstrip(".")
        return Trace(self.received_fields, frozenset({own.encode()}))

    def submission_rules(self) -> SubmissionRules:
        """Return how submitted header sections are judged."""
        return SubmissionRules(self.foreign_author, self.submitted_header)

    def limits(self) -> SmtpLimits:
        """Return the limits as the protocol core takes them."""
        return SmtpLimits(
            command_line=self.command_line,
            commands=self.commands,
            idle_commands=self.idle_commands,
            errors=self.errors,
            refused_recipients=self.refused_recipients,
            recipients=self.recipients,
            message_size=self.message_size,
        )
