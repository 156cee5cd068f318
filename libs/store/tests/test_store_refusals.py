"""A refusal of MongoDB is remembered for a while, and named without the documents of the command."""

from collections.abc import Iterator

import pytest

from mailyard.store.refusals import (
    AUTHENTICATION_FAILED,
    REFUSED_LOGIN,
    REFUSED_RIGHT,
    REMEMBERED_SECONDS,
    UNAUTHORIZED,
    RecentRefusal,
    note_refusal,
)


@pytest.fixture(autouse=True)
def _nothing_refused() -> Iterator[None]:
    """Refusals belong to the process."""
    yield
    REFUSED_LOGIN.forget()
    REFUSED_RIGHT.forget()


def test_a_refusal_is_remembered_for_a_while() -> None:
    now = [0.0]
    refusal = RecentRefusal(lambda: now[0])
    assert refusal.current() is None
    assert refusal.note("no") == "no"
    now[0] = REMEMBERED_SECONDS - 1
    assert refusal.current() == "no"
    now[0] = REMEMBERED_SECONDS
    assert refusal.current() is None
    refusal.note("again")
    refusal.forget()
    assert refusal.current() is None


def test_what_a_person_must_fix_is_named_without_the_documents_of_the_command() -> None:
    right = note_refusal(UNAUTHORIZED, "not authorized on mail to execute command { insert: x }, secret: 1")
    assert right is not None
    assert right.startswith("MongoDB: not authorized on mail")
    assert "secret" not in right
    assert "authSource" in (note_refusal(AUTHENTICATION_FAILED, "") or "")
    assert note_refusal(11_000, "duplicate key") is None
