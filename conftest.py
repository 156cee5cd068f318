"""Every test of the workspace may ask for a real MongoDB and a real RabbitMQ; see mailyard.local.testing."""

import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["mailyard.local.testing"]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Logging belongs to the process: what a test, or a command that it runs, sets up must not meet the next test.

    A command under a test writes to streams that end with it.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
