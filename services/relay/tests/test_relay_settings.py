"""Settings as a person writes them in the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog.testing
from pydantic import ValidationError

from mailyard.relay.main import pool, route_finder, route_table
from mailyard.relay.settings import RelaySettings
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.settings import load_settings
from mailyard.smtp.client import LoginCredentials, Security
from mailyard.smtp.client.nexthop import NextHop
from mailyard.store.client import Store


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MAILYARD_RELAY_"):
            monkeypatch.delenv(name)


async def test_routes_policies_and_logins_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logins = tmp_path / "logins"
    logins.write_text("smart.example user secret\n")
    monkeypatch.setenv("MAILYARD_RELAY_NEXT_HOP", "submission://smart.example")
    monkeypatch.setenv("MAILYARD_RELAY_ROUTES", '{"B.example": "lmtp://127.0.0.1:24"}')
    monkeypatch.setenv("MAILYARD_RELAY_SECURITY", "encrypt")
    monkeypatch.setenv("MAILYARD_RELAY_SECURITY_DOMAINS", '{"b.example": "none"}')
    monkeypatch.setenv("MAILYARD_RELAY_CREDENTIALS_FILE", str(logins))
    monkeypatch.setenv("MAILYARD_RELAY_RESOLVERS", "127.0.0.1, ::1")
    settings = load_settings(RelaySettings)
    routes = route_table(settings)
    smart, local = routes.next_hop("a.example"), routes.next_hop("b.example")
    assert smart == NextHop("smart.example", 587)
    tls = routes.tls_policy("a.example", smart)
    assert tls.security is Security.VERIFY
    assert routes.credentials_of(smart, tls) == LoginCredentials("user", "secret")
    assert local is not None
    assert routes.tls_policy("b.example", local).security is Security.NONE
    assert settings.resolvers == ["127.0.0.1", "::1"]
    route_finder(settings, Store("mongodb://127.0.0.1:1", "none"))
    pool(settings)


def test_without_settings_the_dns_is_asked() -> None:
    assert route_table(RelaySettings()).next_hop("a.example") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("next_hop", "http://x"),
        ("routes", {"b.example": "ftp://x"}),
        ("credentials", "only-a-host"),
        ("resolvers", ["dns.example"]),
        ("own_addresses", ["nowhere"]),
        ("source_addresses", ["nowhere"]),
        ("security", "always"),
        ("site_connections", 0),
        ("final_seconds", 0),
    ],
)
def test_a_wrong_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        RelaySettings.model_validate({field: value})


def test_certificates_that_cannot_be_read_are_a_matter_for_a_person() -> None:
    with pytest.raises(Misconfigured, match="MAILYARD_RELAY_CA_FILE"):
        pool(RelaySettings(ca_file="/nowhere/ca.pem"))


def test_a_password_in_the_settings_does_not_show() -> None:
    settings = RelaySettings.model_validate({"credentials": "smart.example user hunter2"})
    assert "hunter2" not in repr(settings)


def test_the_service_says_what_is_wrong_and_ends_with_78() -> None:
    wrong = {**os.environ, "MAILYARD_RELAY_NEXT_HOP": "http://x", "MAILYARD_RELAY_SECURITY": "never"}
    ended = subprocess.run(
        [sys.executable, "-m", "mailyard.relay.main"],
        env=wrong,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert "MAILYARD_RELAY_NEXT_HOP" in ended.stderr
    assert "MAILYARD_RELAY_SECURITY" in ended.stderr


@pytest.mark.parametrize(
    "hop", ["submission://smart.example?security=may", "smtps://smart.example?security=none"]
)
@pytest.mark.parametrize("where", ["NEXT_HOP", "ROUTES"])
def test_credentials_that_may_travel_in_clear_stop_the_start_with_78(hop: str, where: str) -> None:
    wrong = {
        **os.environ,
        f"MAILYARD_RELAY_{where}": hop if where == "NEXT_HOP" else f'{{"b.example": "{hop}"}}',
        "MAILYARD_RELAY_CREDENTIALS": "smart.example user hunter2",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "mailyard.relay.main"],
        env=wrong,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert "smart.example has credentials and security=" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_weaker_choice_for_credentials_is_said_at_the_start() -> None:
    settings = RelaySettings.model_validate(
        {
            "next_hop": "smart.example?security=encrypt",
            "credentials": "smart.example user hunter2\nother.example user hunter2",
        }
    )
    with structlog.testing.capture_logs() as logs:
        route_table(settings)
    assert [(line["event"], line["host"]) for line in logs] == [
        ("relay.credentials_unverified", "smart.example"),
        ("relay.credentials_unused", "other.example"),
    ]
    assert "hunter2" not in str(logs)
