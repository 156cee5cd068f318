"""Broker or store unreachable at start, or refusing the login: each service waits, reports the reason, and starts by itself."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from mailyard.local.processes import free_port
from mailyard.runtime.services import NAMES
from tests.chaos.proxy import FaultProxy
from tests.trial.service import LoneService
from tests.trial.waiting import until

READY_SECONDS = 60
AMQP, MONGO = "MAILYARD_AMQP_URL", "MAILYARD_MONGO_URL"
MONGO_USERS = ("router", "delivery", "smtp-in", "imap")


def moved(url: str, port: int, password: str | None = None) -> str:
    """The URL with another port (of a proxy), and another password when one is given."""
    parts = urlsplit(url)
    user = parts.username or ""
    secret = password or parts.password or ""
    credentials = f"{user}:{secret}@" if user or password else ""
    return urlunsplit(parts._replace(netloc=f"{credentials}127.0.0.1:{port}"))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_waits_for_broker_and_store_and_comes_up_with_them(
    name: str, tmp_path: Path, servers: dict[str, str]
) -> None:
    amqp_url, mongo_url = servers[AMQP], servers[MONGO]
    amqp, mongo = free_port(), free_port()
    environment = {**servers, AMQP: moved(amqp_url, amqp), MONGO: moved(mongo_url, mongo)}
    with LoneService(name, environment, tmp_path) as service:
        await until(lambda: service.get("/livez")[0] == 200, seconds=20, what="/livez answers")
        await until(
            lambda: '"level": "warning"' in service.output(),
            seconds=20,
            what=f"{name} logs what it waits for",
        )
        assert service.runs, service.output()
        status, why = service.get("/readyz")
        assert status == 503
        assert "away" in why.lower() or "reach" in why.lower() or "connect" in why.lower(), why
        amqp_proxy, mongo_proxy = FaultProxy(port_of(amqp_url)), FaultProxy(port_of(mongo_url))
        amqp_proxy.port, mongo_proxy.port = amqp, mongo
        async with amqp_proxy, mongo_proxy:
            await until(
                lambda: service.get("/readyz")[0] == 200,
                seconds=READY_SECONDS,
                what=f"{name} ready after its servers came; it says {service.get('/readyz')[1]}",
            )
    assert service.output().count("Traceback") == 0, service.output()


@pytest.mark.parametrize("name", NAMES)
async def test_wrong_broker_credentials_are_reported_and_no_secret_is_logged(
    name: str, tmp_path: Path, servers: dict[str, str]
) -> None:
    wrong = moved(servers[AMQP], port_of(servers[AMQP]), password="not-the-password")
    environment = {**servers, AMQP: wrong}
    with LoneService(name, environment, tmp_path) as service:
        await until(
            lambda: "refuses the user or the password" in service.output(),
            seconds=30,
            what=f"{name} says that the broker refuses its credentials",
        )
        assert AMQP in service.output()
        assert "not-the-password" not in service.output()
        assert service.get("/readyz")[0] != 200


@pytest.mark.parametrize("name", MONGO_USERS)
async def test_wrong_store_credentials_are_reported_and_no_secret_is_logged(
    name: str, tmp_path: Path, servers: dict[str, str]
) -> None:
    parts = urlsplit(servers[MONGO])
    wrong = urlunsplit(parts._replace(netloc=f"mallory:not-the-password@{parts.netloc}"))
    environment = {**servers, MONGO: wrong}
    with LoneService(name, environment, tmp_path) as service:
        await until(
            lambda: "authentication" in service.output().lower(),
            seconds=30,
            what=f"{name} says that the store refuses its credentials",
        )
        assert "not-the-password" not in service.output()
        assert service.get("/readyz")[0] != 200
