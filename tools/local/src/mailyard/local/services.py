"""Mailyard's services and the sink as parts of local mode: their programs and settings."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from mailyard.local.certificates import TlsFiles
from mailyard.local.layout import Layout
from mailyard.local.ports import HEALTH, HOST, Ports
from mailyard.local.processes import Program
from mailyard.local.readiness import listening, readyz
from mailyard.local.supervisor import Part

SINK = "sink"
HOSTNAME = "mailyard.test"
DRAIN_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The values of the local machine that the services' settings need."""

    layout: Layout
    ports: Ports
    tls: TlsFiles
    amqp_url: str
    mongo_url: str
    mongo_database: str


def service_parts(around: Surroundings) -> tuple[Part, ...]:
    """All services, in the order in which mail flows through them."""
    return tuple(_service(name, around) for name in HEALTH)


def sink_part(around: Surroundings) -> Part:
    """The server that takes all mail to the outside: nothing leaves this machine."""
    port = around.ports.back_end("sink")
    kept = str(around.layout.sink)
    command = str(Path(sys.executable).with_name("mailyard"))
    argv = (command, "sink", "--listen", f"{HOST}:{port}", "--directory", kept)
    return Part(Program(SINK, argv, around.layout.log(SINK)), partial(listening, port), stop_seconds=5)


def _service(name: str, around: Surroundings) -> Part:
    program = Program(
        name=name,
        argv=(str(Path(sys.executable).with_name(f"mailyard-{name}")),),
        log=around.layout.log(name),
        env={**_common(name, around), **_OWN.get(name, _nothing)(around)},
    )
    return Part(program, partial(readyz, around.ports.health(name)), stop_seconds=DRAIN_SECONDS + 5)


def common_environment(around: Surroundings) -> dict[str, str]:
    """Return the variables that every service and the `mailyard` command need."""
    return {
        "MAILYARD_AMQP_URL": around.amqp_url,
        "MAILYARD_MONGO_URL": around.mongo_url,
        "MAILYARD_MONGO_DATABASE": around.mongo_database,
    }


def _common(name: str, around: Surroundings) -> dict[str, str]:
    return {
        **common_environment(around),
        "MAILYARD_HTTP_HOST": HOST,
        "MAILYARD_HTTP_PORT": str(around.ports.health(name)),
        "MAILYARD_HOSTNAME": HOSTNAME,
        "MAILYARD_DRAIN_SECONDS": str(DRAIN_SECONDS),
    }


def _nothing(_around: Surroundings) -> dict[str, str]:
    """Most services need no more than all of them do."""
    return {}


def _smtp_in(around: Surroundings) -> dict[str, str]:
    return {
        "MAILYARD_SMTP_IN_MX_LISTEN": around.ports.address("smtp"),
        "MAILYARD_SMTP_IN_SUBMISSION_LISTEN": around.ports.address("submission"),
        "MAILYARD_SMTP_IN_SUBMISSIONS_LISTEN": around.ports.address("submissions"),
        "MAILYARD_SMTP_IN_LMTP_LISTEN": around.ports.address("lmtp"),
        "MAILYARD_SMTP_IN_TLS_CERTIFICATE_FILE": str(around.tls.certificate),
        "MAILYARD_SMTP_IN_TLS_KEY_FILE": str(around.tls.key),
        "MAILYARD_SMTP_IN_PLAINTEXT_AUTH": "loopback",
    }


def _relay(around: Surroundings) -> dict[str, str]:
    """To send mail to the Internet, name another next hop."""
    variable = "MAILYARD_RELAY_NEXT_HOP"
    return {variable: os.environ.get(variable, f"smtp://{HOST}:{around.ports.back_end('sink')}")}


def _imap(around: Surroundings) -> dict[str, str]:
    return {
        "MAILYARD_IMAP_LISTEN": around.ports.address("imap"),
        "MAILYARD_IMAP_TLS_LISTEN": around.ports.address("imaps"),
        "MAILYARD_IMAP_TLS_CERTIFICATE_FILE": str(around.tls.certificate),
        "MAILYARD_IMAP_TLS_KEY_FILE": str(around.tls.key),
        "MAILYARD_IMAP_PLAINTEXT_AUTH": "loopback",
    }


_OWN: Mapping[str, Callable[[Surroundings], dict[str, str]]] = MappingProxyType(
    {"smtp-in": _smtp_in, "relay": _relay, "imap": _imap}
)
