"""Settings of relay: `MAILYARD_RELAY_*`, beside those of every service."""

import ipaddress
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from mailyard.relay.routetable import RouteTable, parse_credentials, refuse_exposed_credentials
from mailyard.runtime.settings import CommonSettings, Port, settings_config
from mailyard.smtp.client import EightBit, Security
from mailyard.smtp.client.nexthop import NextHop


def _next_hop(text: str) -> str:
    NextHop.parse(text)
    return text


def _credentials(secret: SecretStr) -> SecretStr:
    parse_credentials(secret.get_secret_value())
    return secret


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


NetworkText = Annotated[str, AfterValidator(_network)]
NextHopText = Annotated[str, AfterValidator(_next_hop)]
IpAddress = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class RelaySettings(CommonSettings):
    """What relay needs to know."""

    model_config = settings_config("relay")

    # Where mail goes
    next_hop: NextHopText | None = Field(
        default=None,
        description="Send everything to this host instead of asking the DNS: [scheme://]host[:port][?security=…] "
        "with scheme smtp, submission, smtps or lmtp.",
    )
    routes: dict[str, NextHopText] = Field(
        default_factory=dict,
        description='Next hops of single domains, as JSON: {"example.org": "smtp://mx.example.net:25", '
        '"*.example.org": "lmtp://127.0.0.1:24"}. They go before next_hop.',
    )
    credentials: Annotated[SecretStr, AfterValidator(_credentials)] = Field(
        default=SecretStr(""),
        description="Logins for next hops, a line for each: host username password. They travel only under TLS with a "
        "certificate that proves the host's name, whatever security says; ?security=encrypt written at the hop takes "
        "any certificate, so whoever can answer in the hop's place gets the password.",
    )
    smtp_port: Port = Field(default=25, description="Port of the hosts that the DNS names.")
    resolvers: list[IpAddress] = Field(
        default_factory=list,
        description="Addresses of the DNS servers to ask; empty: those of /etc/resolv.conf.",
    )
    resolver_port: Port = Field(default=53, description="Port of the DNS servers.")
    dns_seconds: Seconds = Field(default=10.0, description="How long one DNS question may take in all.")
    own_addresses: list[IpAddress] = Field(
        default_factory=list,
        description="Addresses at which our own MX is reached from outside: mail is never sent there by DNS. Those of "
        "the host's network interfaces, of hostname and of own_names are known without this setting.",
    )
    own_names: list[str] = Field(
        default_factory=list,
        description="Names of our own MX hosts: only hosts that are preferred to these get mail by DNS.",
    )

    source_addresses: list[IpAddress] = Field(
        default_factory=list,
        description="Own addresses to connect from, one of IPv4 and one of IPv6 at most; empty: the system chooses. The "
        "policy relay_sources of a tenant or a domain goes first.",
    )

    allowed_networks: list[NetworkText] = Field(
        default_factory=list,
        description="Private networks, as 10.1.0.0/16, that may be dialled when the DNS or an address literal names "
        "them; next_hop and routes need no entry. All other private, loopback and stream-local addresses are skipped.",
    )

    # How others are spoken to
    security: Security = Field(
        default=Security.MAY,
        description="TLS towards others: none, may (when offered), encrypt (always), verify (always, with a "
        "certificate that proves the host's name).",
    )
    security_domains: dict[str, Security] = Field(
        default_factory=dict,
        description='TLS of single domains, as JSON: {"example.org": "verify", "*.example.net": "encrypt"}.',
    )
    ca_file: str | None = Field(
        default=None, description="File of certificates that verify trusts; unset: those of the system."
    )
    eight_bit: EightBit = Field(
        default=EightBit.SEND,
        description="Mail declared 8BITMIME for a host that does not offer it: send it as it is, or fail with 5.6.3.",
    )
    chunking_octets: Count | None = Field(
        default=None,
        description="Messages of this size go by BDAT where CHUNKING is offered; unset: only BINARYMIME mail does.",
    )

    # How much at a time
    max_legs: Count = Field(default=2000, description="Legs in hand, waiting ones included.")
    max_connections: Count = Field(default=500, description="Open connections in all, idle ones included.")
    site_connections: Count = Field(
        default=20,
        description="Open connections to one site: all hosts below one registered domain, or one next hop. As all "
        "limits here for each pod: n pods open n times as many.",
    )
    provider_connections: Count = Field(
        default=100, description="Open connections to one of the large providers that docs/relay.md lists."
    )
    address_connections: Count = Field(
        default=20, description="Open connections to one address (IPv6: one /64) that the DNS names."
    )
    network_connections: Count = Field(
        default=50, description="Open connections to one network (IPv4: /24, IPv6: /48) that the DNS names."
    )
    tenant_share: Share = Field(
        default=0.5,
        description="Share of max_connections that one tenant may use; reserve_share applies to it, too.",
    )
    slow_share: Share = Field(
        default=0.5, description="Share of max_connections that all slow sites together may use."
    )
    reserve_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1,
        description="Share of max_connections, and of each tenant's share, that only sites get whose last mail went "
        "through quickly; a second such share of a tenant's is for sites that have no connection yet.",
    )
    site_waiting: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=500,
        description="Legs that wait here for a connection to one site; more are deferred for busy_seconds.",
    )
    waiting_seconds: Seconds = Field(
        default=60.0, description="How long a leg waits here for a connection before it is deferred."
    )
    busy_seconds: Seconds = Field(
        default=30.0,
        description="How long a leg is deferred, on average, when all connections to its site are in use; the time "
        "doubles as long as the site stays busy. It does not count as a try.",
    )
    busy_max_seconds: Seconds = Field(default=900.0, description="The longest of these times, on average.")
    busy_reply_seconds: Seconds = Field(
        default=30.0,
        description="While 70 % of max_connections are in use: for each reply before the message; less than RFC 5321 "
        "section 4.5.3.2 asks for, so that slow hosts do not stop all others. final_seconds stays as it is.",
    )
    pause_seconds: Seconds = Field(
        default=60.0, description="How long a host that could not be reached is left alone."
    )
    connection_messages: Count = Field(
        default=100, description="Messages over one connection before a new one is made."
    )
    idle_seconds: Seconds = Field(
        default=10.0, description="How long a connection is kept for the next message."
    )
    transaction_recipients: Count = Field(
        default=100, description="Recipients of one transaction (RFC 5321 section 4.5.3.1.8 promises 100)."
    )

    # How long we wait for others (RFC 5321 section 4.5.3.2)
    connect_seconds: Seconds = Field(
        default=30.0, description="For a connection, for each address of a host."
    )
    greeting_seconds: Seconds = Field(default=300.0, description="For the greeting and for EHLO, HELO, RSET.")
    tls_seconds: Seconds = Field(default=60.0, description="For a TLS handshake, and the reply to STARTTLS.")
    envelope_seconds: Seconds = Field(default=300.0, description="For the replies to AUTH, MAIL and RCPT.")
    data_seconds: Seconds = Field(default=120.0, description="For the reply to DATA.")
    block_seconds: Seconds = Field(default=180.0, description="For each piece of the message to go out.")
    final_seconds: Seconds = Field(
        default=600.0,
        description="For the reply after the message. A stop waits for it, too: drain_seconds must be long enough.",
    )
    transaction_seconds: Seconds = Field(
        default=3600.0, description="For a whole transaction up to the end of the message."
    )

    @model_validator(mode="after")
    def _keep_credentials_hidden(self) -> Self:
        try:
            refuse_exposed_credentials(self.route_table())
        except ValueError as error:
            raise ValueError(f"MAILYARD_RELAY_NEXT_HOP, MAILYARD_RELAY_ROUTES: {error}") from error
        return self

    def route_table(self) -> RouteTable:
        """Return the routes, TLS policies and credentials that the settings name."""
        next_hops = {domain.lower(): NextHop.parse(hop) for domain, hop in self.routes.items()}
        if self.next_hop is not None:
            next_hops.setdefault("*", NextHop.parse(self.next_hop))
        security = {domain.lower(): policy for domain, policy in self.security_domains.items()}
        security.setdefault("*", self.security)
        return RouteTable(next_hops, security, parse_credentials(self.credentials.get_secret_value()))
