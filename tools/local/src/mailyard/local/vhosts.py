"""Empty virtual hosts for tests: made in blocks, because each call of rabbitmqctl starts an Erlang machine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import aio_pika

from mailyard.local.rabbitmq import USER, Rabbitmq

_BLOCK = 16
_EVALUATE = """
Name = fun(N) -> list_to_binary(io_lib:format("test-~b", [N])) end,
lists:foreach(fun(N) -> rabbit_vhost:delete(Name(N), <<"test">>) end, {done}),
lists:foreach(fun(N) ->
    rabbit_vhost:add(Name(N), <<"test">>),
    rabbit_auth_backend_internal:set_permissions(
        <<"{user}">>, Name(N), <<".*">>, <<".*">>, <<".*">>, <<"test">>)
end, {fresh}).
"""


class VhostSource(Protocol):
    """Where a test gets a virtual host without queues."""

    def fresh(self) -> str:
        """Return the URL of an empty virtual host."""

    def release(self, url: str) -> None:
        """Mark a virtual host for deletion: its test has ended."""


class Vhosts:
    """Virtual hosts test-0, test-1, … of the tests' broker; those of tests that have ended are deleted with the next block."""

    def __init__(self, broker: Rabbitmq, first: int = 0) -> None:
        self._broker = broker
        self._first = self._made = first
        self._ready: list[int] = []
        self._done: list[int] = []

    def fresh(self) -> str:
        """Return the URL of an unused virtual host."""
        if not self._ready:
            self._make_block()
        return self._url(self._ready.pop(0))

    def release(self, url: str) -> None:
        """Mark a virtual host for deletion."""
        self._done += [number for number in range(self._first, self._made) if self._url(number) == url]

    def _make_block(self) -> None:
        self._ready = list(range(self._made, self._made + _BLOCK))
        self._broker.control(["eval", _EVALUATE.format(user=USER, done=self._done, fresh=self._ready)])
        self._made += _BLOCK
        self._done = []

    def _url(self, number: int) -> str:
        return self._broker.vhost_url(f"test-{number}")


class ForeignBroker:
    """A broker that others started: its URL's virtual host is used again and again, emptied before each test."""

    def __init__(self, url: str) -> None:
        self._url = url

    def fresh(self) -> str:
        """Delete Mailyard's queues and exchanges, the only ones that its tests leave behind, and return the URL."""
        with ThreadPoolExecutor(1) as thread:  # a test's own event loop may be running in this one
            thread.submit(lambda: asyncio.run(_empty(self._url))).result()
        return self._url

    def release(self, url: str) -> None:
        """Do nothing: the next test empties it."""


async def _empty(url: str) -> None:
    queues = ("smtp-in.route", "local.filter", "local.deliver", "remote.filter", "remote.send", "dead")
    exchanges = ("smtp-in", "local", "remote", "dead", "mailbox.events")
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        for queue in queues:
            await channel.queue_delete(queue)
        for exchange in exchanges:
            await channel.exchange_delete(exchange)
