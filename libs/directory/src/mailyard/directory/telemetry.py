"""Metrics and events of the directory and of logins."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, SIZES, Event, Metric

METRICS: Final = (
    Metric(
        "mailyard_directory_lookup_addresses",
        "histogram",
        "Addresses of one query of the directory.",
        (),
        SIZES,
    ),
    Metric(
        "mailyard_login_attempts_total", "counter", "Logins by their outcome.", ("login_service", "outcome")
    ),
    Metric(
        "mailyard_login_verify_seconds", "histogram", "Checking a password, waiting included.", (), SECONDS
    ),
)

EVENTS: Final = (
    Event("login.accepted", "Somebody logged in."),
    Event(
        "login.refused", "A login failed; `reason` says why. The client was told no more than it may know."
    ),
    Event("login.unavailable", "A login could not be checked; the client was told to try again."),
    Event(
        "access.ended",
        "An account, domain or tenant was suspended or removed, or a password changed: `sessions` open ones of this"
        " process end.",
    ),
    Event("login.hash_not_renewed", "A weak password hash stays until the next login of its account."),
)
