"""The loops on which a module's tests run: those that its `LOOPS` names, else the loop of the standard library."""

import asyncio
from collections.abc import Callable

import pytest


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return getattr(item.module, "LOOPS", {"asyncio": asyncio.new_event_loop})
