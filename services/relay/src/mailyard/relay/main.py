"""The service relay: sends mail to the Internet, or to the next hops that a person has named."""

import ipaddress
import sys
import time
from collections.abc import Sequence
from typing import Final

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue
from mailyard.directory.policies import Policies
from mailyard.dns.resolver import DnsOptions, DnsResolver
from mailyard.relay.bodyreader import BodyReader
from mailyard.relay.busy import BusyLimits
from mailyard.relay.connectionlimiter import ConnectionLimiter, ConnectionLimits
from mailyard.relay.connector import ClientProfile, Connector, tls_contexts
from mailyard.relay.leasekeeper import LeaseKeeper
from mailyard.relay.legsender import LegSender, SenderLimits
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits
from mailyard.relay.ownaddresses import interface_addresses
from mailyard.relay.pool import Pool, PoolLimits
from mailyard.relay.relay import Relay
from mailyard.relay.replytimer import Timeouts
from mailyard.relay.routefinder import RouteFinder, RouteOptions
from mailyard.relay.routetable import RouteTable
from mailyard.relay.settings import RelaySettings
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.logs import get_logger
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import load_settings
from mailyard.smtp.client import Security
from mailyard.spool.queue.leases import Leases
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.watch.progress import ProgressReporter
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store

_CUT_SECONDS: Final = 60.0  # at a stop, for messages that are being sent to reach their final dot

_log = get_logger(__name__)


def route_table(settings: RelaySettings) -> RouteTable:
    """Return the routes of the settings; doubtful credentials are logged."""
    routes = settings.route_table()
    for hop in routes.with_credentials():
        if hop.security is Security.ENCRYPT:
            _log.warning("relay.credentials_unverified", host=hop.host, security=hop.security.value)
    for host in routes.unused_credentials():
        _log.warning("relay.credentials_unused", host=host)
    return routes


def own_names(settings: RelaySettings) -> frozenset[str]:
    """Return the names of this installation's MX hosts."""
    return frozenset(name.lower().rstrip(".") for name in (settings.hostname, *settings.own_names))


def route_finder(settings: RelaySettings, store: Store) -> RouteFinder:
    """Put together what decides where mail goes."""
    dns = DnsResolver(DnsOptions(settings.resolvers, settings.resolver_port, settings.dns_seconds))
    options = RouteOptions(
        seconds=settings.dns_seconds,
        smtp_port=settings.smtp_port,
        own_names=own_names(settings),
        own_addresses=frozenset(settings.own_addresses) | {str(address) for address in interface_addresses()},
        allowed_networks=tuple(ipaddress.ip_network(each) for each in settings.allowed_networks),
        sources=tuple(settings.source_addresses),
    )
    return RouteFinder(route_table(settings), dns, Policies(store), options)


def pool(settings: RelaySettings) -> Pool:
    """Put the pool of sessions together. Raises Misconfigured."""
    timeouts = Timeouts(
        connect=settings.connect_seconds,
        greeting=settings.greeting_seconds,
        tls=settings.tls_seconds,
        envelope=settings.envelope_seconds,
        data=settings.data_seconds,
        block=settings.block_seconds,
        final=settings.final_seconds,
        transaction=settings.transaction_seconds,
        busy=settings.busy_reply_seconds,
    )
    try:
        contexts = tls_contexts(settings.ca_file)
    except OSError as error:
        raise Misconfigured(f"MAILYARD_RELAY_CA_FILE: cannot read {settings.ca_file}: {error}") from error
    profile = ClientProfile(
        settings.hostname, settings.eight_bit, settings.chunking_octets, own_names=own_names(settings)
    )
    limiter = ConnectionLimiter(
        ConnectionLimits(
            settings.max_connections, settings.tenant_share, settings.slow_share, settings.reserve_share
        )
    )
    networks = NetworkLimiter(
        NetworkLimits(settings.address_connections, settings.network_connections, settings.site_waiting)
    )
    connector = Connector(profile, timeouts, contexts, networks=networks, busy=lambda: limiter.busy)
    return Pool(connector, limiter, _pool_limits(settings), time.monotonic, networks=networks)


def _pool_limits(settings: RelaySettings) -> PoolLimits:
    # With one host for everything a long line stops nobody else: nothing is deferred.
    everything_goes_one_way = settings.next_hop is not None and not settings.routes
    return PoolLimits(
        connections=settings.max_connections,
        site_connections=settings.site_connections,
        provider_connections=settings.provider_connections,
        site_waiting=settings.max_legs if everything_goes_one_way else settings.site_waiting,
        waiting=settings.max_legs if everything_goes_one_way else settings.max_legs // 2,
        waiting_seconds=settings.waiting_seconds,
        pause_seconds=settings.pause_seconds,
        connection_messages=settings.connection_messages,
        idle_seconds=settings.idle_seconds,
        busy=BusyLimits(settings.busy_seconds, max(settings.busy_seconds, settings.busy_max_seconds)),
    )


async def build(runtime: Runtime[RelaySettings]) -> Sequence[Component]:
    """Return the parts of the service, in the order in which they start."""
    settings = runtime.settings
    broker = Broker(settings.amqp_url.get_secret_value(), f"relay {settings.instance}")
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    sessions = pool(settings)
    sender = LegSender(
        route_finder(settings, store),
        sessions,
        BodyReader(Blobs(store)),
        SenderLimits(settings.transaction_recipients, settings.busy_seconds),
    )
    leases = LeaseKeeper(Leases(store), settings.max_legs, time.monotonic)
    relay = Relay(
        leases, sender, Outcomes(store), sessions, cut_seconds=min(_CUT_SECONDS, settings.drain_seconds / 4)
    )
    consumer = TicketConsumer(broker, Queue.REMOTE_SEND, relay.take)
    progress = ProgressReporter(store, settings.instance, consumers=[consumer])
    return [store, broker, relay, consumer, progress]


def main() -> None:
    """Run the service."""
    settings = load_settings(RelaySettings)
    sys.exit(run("relay", settings, build))


if __name__ == "__main__":
    main()
