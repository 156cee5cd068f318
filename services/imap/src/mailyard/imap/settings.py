"""The settings of imap. Every limit has a default that is safe on the open Internet."""

from pydantic import Field

from mailyard.directory.settings import DirectorySettings, LoginSettings
from mailyard.imap.core.limits import Limits
from mailyard.imap.session.options import Options
from mailyard.listening.settings import EndpointTexts, ListenerSettings, Seconds
from mailyard.runtime.settings import settings_config


class ImapSettings(DirectorySettings, LoginSettings, ListenerSettings):
    """Settings of imap."""

    model_config = settings_config("imap")

    listen: EndpointTexts = Field(
        default=("0.0.0.0:2143",),
        description="Where clients read mail after STARTTLS: host:port, comma-separated; empty: off.",
    )
    tls_listen: EndpointTexts = Field(
        default=(), description="The same with TLS from the start (RFC 8314); empty: off."
    )
    message_size: int = Field(
        default=50 * 1024 * 1024, ge=65_536, description="Octets of one appended message at most."
    )
    line_size: int = Field(
        default=65_536, ge=8_192, le=1_048_576, description="Octets of one command line at most, after login."
    )
    literal_size: int = Field(
        default=65_536,
        ge=4_096,
        le=1_048_576,
        description="Octets of one literal that is no message at most.",
    )
    plus_literal_size: int = Field(
        default=0,
        ge=0,
        description="Octets of a literal that a client sends without asking (RFC 7888) and that is no message;"
        " 0: as any other.",
    )
    bad_commands: int = Field(
        default=20, ge=1, description="Commands in a row that are not understood, before the connection ends."
    )
    commands_before_login: int = Field(
        default=50, ge=5, description="Commands without a login, before the connection ends."
    )
    login_attempts: int = Field(
        default=5, ge=1, description="Failed logins of one connection, before it ends."
    )

    connections: int = Field(default=10_000, ge=1, description="Open connections of this process at most.")
    unauthenticated_connections: int = Field(
        default=0,
        ge=0,
        description="Open connections of this process without a login at most; 0: half of all. For a new one, the oldest"
        " ends that has had 5 seconds to log in.",
    )
    connections_per_account: int = Field(
        default=200, ge=0, description="Open connections of one account to this process at most; 0: no limit."
    )
    held_size: int = Field(
        default=256 * 1024 * 1024,
        ge=1024 * 1024,
        description="Octets that all connections of this process hold in memory together at most.",
    )
    login_seconds: Seconds = Field(
        default=60.0, description="How long a login may take, from the greeting on."
    )
    idle_seconds: float = Field(
        default=2_100.0,
        ge=1_800,
        le=86_400,
        description="How long a client may be silent; 30 minutes at least (RFC 3501 section 5.4).",
    )
    stall_seconds: Seconds = Field(
        default=300.0, description="How long a client may pause in a literal, or not read what it asked for."
    )
    still_here_seconds: Seconds = Field(
        default=120.0, description="How often IDLE shows a sign of life, so that dead clients are found."
    )
    poll_seconds: Seconds = Field(
        default=120.0,
        description="How often a process compares all mailboxes that its sessions watch, in case an event was lost.",
    )

    def options(self) -> Options:
        """Return the settings as sessions take them."""
        limits = Limits(
            line=self.line_size,
            literal=self.literal_size,
            command=self.line_size + 3 * self.literal_size,
            message=self.message_size,
            plus=self.plus_literal_size or None,
            drain=2 * self.message_size,
        )
        return Options(
            limits=limits,
            plaintext_on_loopback=self.plaintext_auth == "loopback",
            login_seconds=self.login_seconds,
            idle_seconds=self.idle_seconds,
            stall_seconds=self.stall_seconds,
            still_here_seconds=self.still_here_seconds,
            login_attempts=self.login_attempts,
            bad_commands=self.bad_commands,
            commands_before_login=self.commands_before_login,
            connections_per_account=self.connections_per_account,
        )
