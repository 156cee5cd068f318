"""One instance for all end-to-end tests of a session, with separate accounts for each test."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.trial import accounts
from tests.trial.instance import Instance, free_port_base

SHORT_TIMEOUTS = {"MAILYARD_SMTP_IN_IDLE_SECONDS": "20", "MAILYARD_SMTP_IN_DATA_SECONDS": "20"}


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    """Runs during the whole session; tests that hurt servers start their own."""
    with (
        tempfile.TemporaryDirectory(prefix="mailyard-e2e-", ignore_cleanup_errors=True) as folder,
        Instance(Path(folder) / "local", free_port_base(), SHORT_TIMEOUTS) as started,
    ):
        yield started


@pytest.fixture(scope="session")
def new_account(instance: Instance) -> Callable[[], str]:
    """Makes an account with an empty INBOX; returns its address. The password is accounts.PASSWORD."""
    numbers = count(1)

    def make() -> str:
        tenant = f"e2e-{next(numbers)}"
        made = asyncio.run(accounts.add_accounts(instance.mongo_url, tenant, f"{tenant}.test", ["reader"]))
        return made[0]

    return make


@pytest.fixture
def account(new_account: Callable[[], str]) -> str:
    """An account of this test alone."""
    return new_account()


@pytest.fixture
def servers(mongo_url: str, vhost_url: str, database: str) -> dict[str, str]:
    """The variables of one service alone, with its own virtual host and database."""
    return {
        "MAILYARD_MONGO_URL": mongo_url,
        "MAILYARD_AMQP_URL": vhost_url,
        "MAILYARD_MONGO_DATABASE": database,
    }
