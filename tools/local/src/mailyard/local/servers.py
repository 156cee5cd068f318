"""The broker and the store: those of the user's variables, else servers that local mode starts."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from mailyard.local import provision
from mailyard.local.layout import Layout
from mailyard.local.mongod import Mongod
from mailyard.local.paths import VAR
from mailyard.local.ports import Ports
from mailyard.local.rabbitmq import Rabbitmq, RabbitmqPorts
from mailyard.local.settings import LocalSettings
from mailyard.local.supervisor import Part

AMQP_PORT = 5672
MONGO_PORT = 27017
STORE_CACHE_GIGABYTES = 0.75
_NO_PARTS: tuple[Part, ...] = ()


class Unreachable(Exception):
    """A server of a variable does not answer; the text names the variable."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where broker and store are, and the parts to start for that."""

    amqp_url: str
    mongo_url: str
    parts: tuple[Part, ...]


def plan_servers(settings: LocalSettings, layout: Layout, ports: Ports) -> Servers:
    """Find or fetch the programs of the servers that no variable names; raises NotProvided."""
    amqp_url, broker = settings.amqp_url.get_secret_value(), _NO_PARTS
    mongo_url, store = settings.mongo_url.get_secret_value(), _NO_PARTS
    if settings.own_broker:
        amqp_url, broker = _broker(layout, ports)
    if settings.own_store:
        mongo_url, store = _store(layout, ports)
    return Servers(amqp_url, mongo_url, (*broker, *store))


def require_reachable(settings: LocalSettings) -> None:
    """Check that the servers of the variables accept a connection; raises Unreachable."""
    named = (
        []
        if settings.own_broker
        else [("MAILYARD_AMQP_URL", settings.amqp_url.get_secret_value(), AMQP_PORT)]
    )
    if not settings.own_store:
        named.append(("MAILYARD_MONGO_URL", settings.mongo_url.get_secret_value(), MONGO_PORT))
    for variable, url, usual_port in named:
        host, port = _address(url, usual_port)
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError as error:
            advice = (
                f"Start that server, correct {variable}, or unset it: then local mode starts one of its own."
            )
            raise Unreachable(
                f"Nothing answers at {host}:{port}, which {variable} names ({error}).\n{advice}"
            ) from error


def _address(url: str, usual_port: int) -> tuple[str, int]:
    """The first host of a URL that may name several, as a replica set's does."""
    first = urlsplit(url).netloc.rpartition("@")[2].split(",")[0]
    parts = urlsplit(f"//{first}")
    return parts.hostname or "localhost", parts.port or usual_port


def _broker(layout: Layout, ports: Ports) -> tuple[str, tuple[Part, ...]]:
    programs = provision.rabbitmq(VAR)
    rabbitmq = Rabbitmq(
        scripts=programs.scripts,
        epmd=programs.epmd,
        directory=layout.root / "rabbitmq",
        ports=RabbitmqPorts(
            ports.back_end("amqp"), ports.back_end("amqp-distribution"), ports.back_end("epmd")
        ),
        log=layout.log("rabbitmq"),
        env=programs.env,
    )
    epmd = Part(rabbitmq.epmd_program(), _always, stop_seconds=5)
    return rabbitmq.url, (epmd, Part(rabbitmq.program(), rabbitmq.not_ready_reason, stop_seconds=60))


def _store(layout: Layout, ports: Ports) -> tuple[str, tuple[Part, ...]]:
    program = provision.mongod(VAR)
    mongod = Mongod(
        binary=program.binary,
        directory=layout.root / "mongod",
        port=ports.back_end("mongo"),
        log=layout.log("mongod"),
        cache_gigabytes=STORE_CACHE_GIGABYTES,
        env=program.env,
    )
    return mongod.url, (Part(mongod.program(), mongod.not_ready_reason, stop_seconds=60),)


def _always() -> None:
    """The name server says nothing of itself; the broker would not start without it."""


def through(url: str, port: int | None) -> str:
    """The same server by another port of this machine: a proxy that hurts the connection on purpose."""
    if port is None:
        return url
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))
