"""What a session takes at a time: whole deliveries, in order, within the bound."""

import asyncio
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from mailyard.broker.session import Delivery, Session
from mailyard.broker.topology import Queue
from mailyard.proto.v1.ticket_pb2 import Ticket


def session_with(sizes):
    """A session in which deliveries of so many tickets wait; it needs no channel for that."""
    session = Session(Queue.DEAD, SimpleNamespace(), lambda _tickets: None)
    session.waiting.extend(Delivery(tag, [Ticket()] * size) for tag, size in enumerate(sizes))
    return session


@given(st.lists(st.integers(min_value=1, max_value=50), max_size=20), st.integers(min_value=1, max_value=120))
def test_all_deliveries_are_taken_once_in_order_and_within_the_bound(sizes, max_tickets):
    session = session_with(sizes)
    takes = []
    while session.waiting:
        takes.append(session.take(max_tickets))
    assert [delivery.tag for taken in takes for delivery in taken] == list(range(len(sizes)))
    for taken in takes:
        count = sum(len(delivery.tickets) for delivery in taken)
        assert count <= max_tickets or len(taken) == 1


@given(st.lists(st.integers(min_value=1, max_value=50), min_size=2, max_size=20), st.integers(1, 120))
def test_no_take_leaves_behind_what_would_have_fitted(sizes, max_tickets):
    session = session_with(sizes)
    taken = session.take(max_tickets)
    if session.waiting:
        count = sum(len(delivery.tickets) for delivery in taken)
        assert count + len(session.waiting[0].tickets) > max_tickets


def test_an_ended_session_gives_nothing_more():
    session = session_with([1, 2])
    session.end("gone")
    session.end("again")
    assert session.take(10) == []
    assert session.ended == "gone"


async def test_news_comes_at_once_when_the_session_ends():
    session = session_with([])
    waiting = asyncio.create_task(session.news())
    await asyncio.sleep(0)
    assert not waiting.done()
    session.end("gone")
    await asyncio.wait_for(waiting, 1)
