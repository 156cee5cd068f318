"""Metrics and events of the directory and of logins."""

from typing import Final

from mailyard.runtime.catalogue import SECONDS, SIZES, EventType, Metric

METRICS: Final = (
    Metric(
        "mailyard_directory_lookup_addresses",
        "histogram",
        "Addresses of one query of the directory.",
        (),
        SIZES,
    ),
    Metric("mailyard_login_attempts_total", "counter", "Logins, by outcome.", ("login_service", "outcome")),
    Metric(
        "mailyard_login_blocks_total",
        "counter",
        "Temporary blocks after failed logins, by what is blocked.",
        ("kind",),
    ),
    Metric(
        "mailyard_login_log_dropped_total",
        "counter",
        "Rows of the login log that were dropped, because too many waited for MongoDB.",
        (),
    ),
    Metric(
        "mailyard_dkim_steps_total",
        "counter",
        "Steps of DKIM keys: generated, not_published, activated, retired, revoked.",
        ("step",),
    ),
    Metric(
        "mailyard_sending_held_messages_total",
        "counter",
        "Submitted messages that were held because of a limit of sending.",
    ),
    Metric(
        "mailyard_login_verify_seconds",
        "histogram",
        "Duration of a check of a password, with the wait for it.",
        (),
        SECONDS,
    ),
)

EVENTS: Final = (
    EventType("login.accepted", "A login succeeded."),
    EventType("login.refused", "A login failed; `reason` says why. The reply to the client says less."),
    EventType(
        "login.blocked",
        "After too many failed logins, `subject` may not log in for `seconds`; networks that the account has been used"
        " from still may.",
    ),
    EventType(
        "login.app_password_refused",
        "A client gave a right app password that has expired, does not cover the protocol (scope), or is not for its network;"
        " `reason` says which.",
    ),
    EventType(
        "login.main_password_off", "A client gave the right main password where only app passwords are valid."
    ),
    EventType(
        "login.networks_unavailable",
        "It could not be read whether a network has used an account before: it counts as unknown for a minute.",
    ),
    EventType("login.unavailable", "A login could not be checked; the client got a temporary failure."),
    EventType(
        "access.ended",
        "An account, domain, tenant or app password was suspended or removed, or a password changed: `sessions` open ones of this"
        " process end.",
    ),
    EventType(
        "dkim.step",
        "A DKIM key was generated, not_published (the DNS does not show it yet), activated, retired or revoked.",
    ),
    EventType(
        "sending.limit_reached",
        "An account, domain or tenant sends more than a limit permits; `reason` says which. Mail beyond it is held.",
    ),
    EventType(
        "sending.not_loaded",
        "What an account has sent elsewhere is not known, because MongoDB is unreachable; this process counts alone.",
    ),
    EventType("login.hash_not_renewed", "A weak password hash stays until the next login of its account."),
)
