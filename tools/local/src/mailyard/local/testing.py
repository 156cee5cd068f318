"""pytest fixtures: a real MongoDB and a real RabbitMQ, shared by the session; each test has its own database and virtual host.

`mongo_url` and `amqp_url` are those of MAILYARD_MONGO_URL and MAILYARD_AMQP_URL; where these are unset, servers are
started in a temporary directory on free ports and stopped at the end. A test takes `database` (a fresh name, dropped
afterwards) and `vhost_url` (the broker with a fresh virtual host), so that no test sees what another one left. Where
MAILYARD_QUERY_SHAPES names a directory, the queries that product code sends are recorded there.
"""

import os
import resource
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from mailyard.local import provision
from mailyard.local.debian import package_tree
from mailyard.local.foreign import use_tree
from mailyard.local.mongod import Mongod
from mailyard.local.paths import VAR
from mailyard.local.processes import Program, free_port, most_files, start, stop, wait_ready
from mailyard.local.rabbitmq import Rabbitmq, RabbitmqPorts
from mailyard.local.shapes import DIRECTORY_VARIABLE, ShapeRecorder
from mailyard.local.vhosts import ForeignBroker, Vhosts, VhostSource
from mailyard.store.client import LISTENERS

START_SECONDS = 120
STOP_SECONDS = 15


def pytest_configure() -> None:
    """Tests find programs that were unpacked for them as if they were installed, and may open many connections."""
    use_tree(package_tree(VAR))
    most = most_files()
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if directory := os.environ.get(DIRECTORY_VARIABLE):
        LISTENERS.append(ShapeRecorder(Path(directory)))


@pytest.fixture(scope="session")
def servers_directory() -> Iterator[Path]:
    """Where the session's servers keep data and logs; short, because sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="mailyard-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def mongo_url(servers_directory: Path) -> Iterator[str]:
    """The URL of a replica set (for MAILYARD_MONGO_URL)."""
    if given := os.environ.get("MAILYARD_MONGO_URL"):
        yield given
        return
    mongod = provision.mongod(VAR)
    server = Mongod(
        binary=mongod.binary,
        directory=servers_directory / "mongod",
        port=free_port(),
        log=servers_directory / "mongod.log",
        cache_gigabytes=0.25,
        env=mongod.env,
    )
    program = server.program()
    with _running(program) as process:
        wait_ready(program, process, server.not_ready_reason, START_SECONDS)
        yield server.url


@pytest.fixture(scope="session")
def own_broker(servers_directory: Path) -> Iterator[Rabbitmq | None]:
    """The broker that the session started; None when MAILYARD_AMQP_URL names one."""
    if os.environ.get("MAILYARD_AMQP_URL"):
        yield None
        return
    programs = provision.rabbitmq(VAR)
    server = Rabbitmq(
        scripts=programs.scripts,
        epmd=programs.epmd,
        directory=servers_directory / "rabbitmq",
        ports=RabbitmqPorts(free_port(), free_port(), free_port()),
        log=servers_directory / "rabbitmq.log",
        env=programs.env,
    )
    program = server.program()
    with ExitStack() as stack:
        stack.enter_context(_running(server.epmd_program()))
        process = stack.enter_context(_running(program))
        wait_ready(program, process, server.not_ready_reason, START_SECONDS)
        yield server


@pytest.fixture(scope="session")
def amqp_url(own_broker: Rabbitmq | None) -> str:
    """The URL of the broker's default virtual host (for MAILYARD_AMQP_URL); a test's own is `vhost_url`."""
    return own_broker.url if own_broker else os.environ["MAILYARD_AMQP_URL"]


@pytest.fixture(scope="session")
def vhost_source(own_broker: Rabbitmq | None, amqp_url: str) -> VhostSource:
    """Makes virtual hosts in the session's broker; empties the only one of a given broker."""
    return Vhosts(own_broker) if own_broker else ForeignBroker(amqp_url)


@pytest.fixture
def vhost_url(vhost_source: VhostSource) -> Iterator[str]:
    """The URL of an empty virtual host."""
    url = vhost_source.fresh()
    yield url
    vhost_source.release(url)


@pytest.fixture
def database(mongo_url: str) -> Iterator[str]:
    """The name of a database of this test alone, dropped after it."""
    name = f"test-{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, Any]](mongo_url) as client:
        client.drop_database(name)


@contextmanager
def _running(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    process = start(program)
    try:
        yield process
    finally:
        stop(process, STOP_SECONDS)
