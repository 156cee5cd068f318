"""The settings of hygiene. Everything is off until a listener is named and a check gets a mode."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from mailyard.directory.policy import HygieneMode
from mailyard.runtime.renames import VersionAdded
from mailyard.smtp_in.hygiene.clientlimits import MinuteLimits
from mailyard.smtp_in.hygiene.dnslists import MOST_LISTS, DnsList
from mailyard.smtp_in.hygiene.greylistrules import GreylistRules
from mailyard.smtp_in.hygiene.helo import HeloRule
from mailyard.smtp_in.hygiene.modes import MODES_PATTERN

_MODES = " off, note or refuse, or one for each listener, such as mx:refuse,submission:note."
_PRIVATE = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip


def _lists(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        DnsList.parse(text)
    if len(texts) > MOST_LISTS:
        raise ValueError(f"write at most {MOST_LISTS} lists")
    return texts


Modes = Annotated[str, VersionAdded("0.3.0"), Field(pattern=MODES_PATTERN)]
Network = IPv4Network | IPv6Network
New = VersionAdded("0.3.0")


class HygieneSettings(BaseModel):
    """Mixed in before CommonSettings."""

    hygiene_listeners: Annotated[tuple[Literal["mx", "submission", "submissions", "lmtp"], ...], New] = Field(
        default=(),
        description="Listeners whose clients are judged before a message is accepted, comma-separated, unless they have"
        " logged in. There, policies of tenants and domains may switch checks on and off. Empty: none; nothing is asked.",
    )
    hygiene_trusted_networks: Annotated[tuple[Network, ...], New] = Field(
        default=tuple(map(ip_network, _PRIVATE)),
        description="Networks that are never judged, comma-separated. Where a load balancer hides the addresses of"
        " clients, all of them seem to be in a private network.",
    )
    hygiene_dns_servers: Annotated[tuple[str, ...], New] = Field(
        default=(), description="Addresses of DNS servers for these checks; empty: those of /etc/resolv.conf."
    )
    hygiene_dns_port: Annotated[int, New] = Field(default=53, ge=1, le=65_535, description="Their port.")
    hygiene_dns_seconds: Annotated[float, New] = Field(
        default=3.0,
        gt=0,
        le=30,
        description="How long a DNS question may take; a question without an answer refuses nothing.",
    )
    hygiene_dns_questions: Annotated[int, New] = Field(
        default=256,
        ge=1,
        le=10_000,
        description="DNS questions under way at the same time at most, to blocklists and about names each; more are"
        " not asked.",
    )

    dnsbl: Modes = Field(default="off", description="Clients that DNS blocklists list:" + _MODES)
    dnsbl_lists: Annotated[tuple[str, ...], AfterValidator(_lists), New] = Field(
        default=(),
        description="DNS blocklists and allowlists, comma-separated: zone, zone=127.0.0.[2..11;13] or zone=filter*weight; a"
        " negative weight makes an allowlist. Clients with a sum below zero are not greylisted.",
    )
    dnsbl_threshold: Annotated[int, New] = Field(
        default=1, ge=1, le=1000, description="Sum of weights from which on a client counts as listed."
    )
    client_name: Modes = Field(
        default="off",
        description="Clients whose address has no name that leads back to it; the name of others is shown in the Received"
        " field:" + _MODES,
    )
    helo_check: Modes = Field(
        default="off", description="Clients that break a rule of helo_rules in HELO or EHLO:" + _MODES
    )
    helo_rules: Annotated[tuple[HeloRule, ...], New] = Field(
        default=("syntax", "own-name", "bare-address"),
        description="Rules of helo_check: syntax (no full host name or address literal), own-name (the name of this"
        " server), bare-address (an address without brackets), unresolvable (neither address nor MX).",
    )
    early_talker: Modes = Field(
        default="off",
        description="Clients that speak before they are greeted; needs greeting_seconds:" + _MODES,
    )
    greeting_seconds: Annotated[float, New] = Field(
        default=0.0,
        ge=0,
        le=20,
        description="How long clients wait for the greeting on hygiene_listeners; 0: not at all.",
    )
    null_sender: Modes = Field(
        default="refuse",
        description="Bounces to addresses that never send, which policies name in never_sends:" + _MODES,
    )

    greylisting: Modes = Field(
        default="off",
        description="First attempts of unknown networks; refuse defers them with 451:" + _MODES,
    )
    greylisting_seconds: Annotated[int, New] = Field(
        default=300,
        ge=1,
        le=86_400,
        description="How long an unknown network has to wait before its next attempt.",
    )
    greylisting_retry_hours: Annotated[int, New] = Field(
        default=48, ge=1, le=720, description="How long a first attempt counts."
    )
    greylisting_known_days: Annotated[int, New] = Field(
        default=35,
        ge=1,
        le=366,
        description="How long a network or a pair of addresses that has passed is known.",
    )
    greylisting_passes: Annotated[int, New] = Field(
        default=5, ge=1, le=1000, description="After how many passes a network is not greylisted any more."
    )
    greylisting_known_networks: Annotated[tuple[Network, ...], New] = Field(
        default=(),
        description="Networks that are never greylisted, comma-separated, such as those of large providers.",
    )

    client_limits: Modes = Field(
        default="off",
        description="Limits for each client (IPv4 /32, IPv6 /64) and each network (/24, /48), counted in each process by"
        " itself; refuse defers:" + _MODES,
    )
    client_connections: Annotated[int, New] = Field(
        default=60, ge=0, description="Connections of a client in a minute at most; 0: no limit."
    )
    client_messages: Annotated[int, New] = Field(
        default=300, ge=0, description="Messages of a client in a minute at most; 0: no limit."
    )
    client_recipients: Annotated[int, New] = Field(
        default=3000, ge=0, description="Recipients of a client in a minute at most; 0: no limit."
    )
    client_errors: Annotated[int, New] = Field(
        default=60, ge=0, description="Permanent refusals of a client in a minute at most; 0: no limit."
    )
    client_network_factor: Annotated[int, New] = Field(
        default=4, ge=1, le=256, description="A network may do so many times as much as a client."
    )

    recipient_probing: Modes = Field(
        default="off",
        description="Clients that name many unknown recipients; refuse makes them pause:" + _MODES,
    )
    recipient_probing_unknown: Annotated[int, New] = Field(
        default=30,
        ge=1,
        description="Unknown recipients of a client in an hour at most; a network may name four times as many.",
    )
    recipient_probing_seconds: Annotated[float, New] = Field(
        default=600.0, gt=0, le=86_400, description="How long such a client gets 421 and 450."
    )

    tarpit_seconds: Annotated[float, New] = Field(
        default=0.0,
        ge=0,
        le=20,
        description="How long each refusal waits after the first few of a connection; 0: not at all.",
    )
    tarpit_refusals: Annotated[int, New] = Field(
        default=3, ge=0, description="Refusals of a connection that do not wait."
    )
    tarpit_replies: Annotated[int, New] = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Replies of this process that wait at the same time at most.",
    )

    @model_validator(mode="after")
    def _lists_are_named(self) -> Self:
        if not self.dnsbl_lists and any(
            mode in self.dnsbl for mode in (HygieneMode.NOTE, HygieneMode.REFUSE)
        ):
            raise ValueError("dnsbl needs dnsbl_lists, for instance zen.example.org=127.0.0.[2..11]")
        return self

    def greylist_rules(self) -> GreylistRules:
        """Return how long unknown networks wait."""
        return GreylistRules(
            wait=timedelta(seconds=self.greylisting_seconds),
            retry=timedelta(hours=self.greylisting_retry_hours),
            keep=timedelta(days=self.greylisting_known_days),
            passes=self.greylisting_passes,
        )

    def minute_limits(self) -> MinuteLimits:
        """Return the limits of one client."""
        return MinuteLimits(
            self.client_connections,
            self.client_messages,
            self.client_recipients,
            self.client_errors,
            self.client_network_factor,
        )
