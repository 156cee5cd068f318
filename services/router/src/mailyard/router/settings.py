"""Settings of the router."""

import ipaddress
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from mailyard.directory.dkim.rotation import RotationSchedule
from mailyard.message.address import Address, AddressError
from mailyard.router.webhook import Webhook
from mailyard.runtime.renames import Renamed, VersionAdded
from mailyard.runtime.settings import CommonSettings, Port, settings_config


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


class RouterSettings(CommonSettings):
    """What an operator may change."""

    model_config = settings_config("router")

    http_port: Port = Field(default=9102, description="Port of /livez, /readyz and /metrics.")
    release_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How often the router looks for due messages."
    )
    release_limit: int = Field(default=500, ge=1, le=5000, description="Most messages of one release.")
    reconcile_seconds: float = Field(
        default=5.0, gt=0, le=300, description="How often the router looks for messages whose ticket is lost."
    )
    ledger_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How often the two sides of the ledger are compared."
    )
    depth_seconds: float = Field(
        default=5.0, gt=0, le=300, description="How often depth and age of the queues are measured."
    )
    backlog_seconds: Annotated[float, Renamed("MAILYARD_ROUTER_CENSUS_SECONDS", "0.3.0")] = Field(
        default=30.0, gt=0, le=3600, description="How often the open messages of tenants are counted."
    )
    backlog_tenants: Annotated[int, Renamed("MAILYARD_ROUTER_CENSUS_TENANTS", "0.3.0")] = Field(
        default=20,
        ge=0,
        le=200,
        description="How many tenants, those with the most open messages, metrics name; the others are added up.",
    )
    bounce_headers_only_octets: int = Field(
        default=100_000,
        ge=0,
        description="A report of a failure returns the whole message up to this size (octets) if the sender asked for "
        "it (RET=FULL); all other reports return its header section.",
    )
    double_bounce_recipient: str = Field(
        default="",
        description="Address that receives a copy of failed mail without a sender, which is bounces nearly always. Empty: "
        "MAILYARD_POSTMASTER; where that is empty too, such double bounces are logged and counted only.",
    )
    delay_report_hours: float = Field(
        default=4.0,
        ge=0,
        le=120,
        description="After how many hours a sender gets one report that a deferred message is late; 0: never. A sender who "
        "asked for other reports only (NOTIFY without DELAY) gets none.",
    )
    dkim_rotation_days: Annotated[int, VersionAdded("0.3.0")] = Field(
        default=180,
        ge=0,
        le=3650,
        description="For how many days a DKIM key signs before the next one is generated; 0: keys are rotated by command only.",
    )
    dkim_publish_hours: Annotated[float, VersionAdded("0.3.0")] = Field(
        default=1.0,
        ge=0,
        le=168,
        description="For how long a new DKIM key is published before it may sign: longer than the time to live of the records"
        " of MAILYARD_DKIM_ZONE.",
    )
    dkim_retire_days: Annotated[float, VersionAdded("0.3.0")] = Field(
        default=7.0,
        ge=0,
        le=365,
        description="For how long a DKIM key stays published after it has signed for the last time.",
    )
    dkim_seconds: Annotated[float, VersionAdded("0.3.0")] = Field(
        default=60.0, gt=0, le=3600, description="How often the router looks for DKIM keys with a due step."
    )
    resolvers: Annotated[list[Annotated[str, AfterValidator(_address)]], VersionAdded("0.3.0")] = Field(
        default_factory=list,
        description="Addresses of the DNS servers that are asked for published keys; empty: those of /etc/resolv.conf.",
    )
    resolver_port: Annotated[Port, VersionAdded("0.3.0")] = Field(
        default=53, description="Port of the DNS servers."
    )
    hold_webhook_url: Annotated[str, VersionAdded("0.3.0")] = Field(
        default="",
        description="https:// URL that is called when mail of an account, domain or tenant begins to be held; empty: none.",
    )
    hold_webhook_secret: Annotated[SecretStr, VersionAdded("0.3.0")] = Field(
        default=SecretStr(""),
        description="Key of the signature (HMAC-SHA-256) of each call; 16 characters or more. Needed with a URL.",
    )
    hold_webhook_private: Annotated[bool, VersionAdded("0.3.0")] = Field(
        default=False,
        description="Permit a webhook at a private or loopback address, and http://.",
    )
    message_targets: int = Field(
        default=10_000,
        ge=1000,
        le=100_000,
        description="To how many addresses aliases may lead one message; recipients beyond fail with 5.5.3.",
    )
    sweep_seconds: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="Pause between sweeps, which delete rows and bodies that are not needed any more.",
    )
    trace_days: float = Field(
        default=30.0,
        ge=10,
        le=3650,
        description="How long the rows of ended messages stay, for traces; longer than any queue lifetime.",
    )
    undelete_days: float = Field(
        default=7.0,
        ge=1,
        le=3650,
        description="Days for which expunged messages are kept in the store; there is no command to restore them yet.",
    )
    test_no_reconciler: bool = Field(
        default=False,
        description="Never look for lost tickets. It loses mail: it proves that tests detect a loss.",
    )

    @field_validator("double_bounce_recipient")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not value:
            return value
        try:
            return str(Address.parse(value))
        except AddressError as error:
            raise ValueError(f"{value!r} is not a mail address: {error}") from None

    @model_validator(mode="after")
    def _webhook_is_possible(self) -> "RouterSettings":
        self.hold_webhook()
        return self

    def hold_webhook(self) -> Webhook | None:
        """Return the webhook; None: there is none. Raises ValueError."""
        if not self.hold_webhook_url:
            return None
        secret = self.hold_webhook_secret.get_secret_value().encode()
        try:
            return Webhook(self.hold_webhook_url, secret, permits_private=self.hold_webhook_private)
        except ValueError as error:
            raise ValueError(f"the webhook of held mail is not possible: {error}") from None

    def dkim_schedule(self) -> RotationSchedule:
        """Return how DKIM keys are rotated."""
        return RotationSchedule(
            active=timedelta(days=self.dkim_rotation_days) if self.dkim_rotation_days else None,
            before=timedelta(hours=self.dkim_publish_hours),
            after=timedelta(days=self.dkim_retire_days),
        )
