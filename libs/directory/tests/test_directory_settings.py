"""The directory's share of a service's settings."""

import pytest

from mailyard.directory.directory import CacheLimits
from mailyard.directory.passwords import HashCost
from mailyard.directory.settings import DirectorySettings, LoginSettings, postmaster_of
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.message.address import Address
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.settings import CommonSettings, load_settings, settings_config


class ListenerSettings(DirectorySettings, LoginSettings, CommonSettings):
    model_config = settings_config("listener")


def test_they_are_read_under_the_services_prefix(monkeypatch):
    monkeypatch.setenv("MAILYARD_LISTENER_DIRECTORY_POSITIVE_SECONDS", "2.5")
    monkeypatch.setenv("MAILYARD_LISTENER_ARGON2_TIME", "3")
    monkeypatch.setenv("MAILYARD_LISTENER_LOGIN_FREE_FAILURES", "4")
    settings = load_settings(ListenerSettings)
    assert settings.cache_limits() == CacheLimits(positive_seconds=2.5)
    assert settings.hash_cost() == HashCost(time=3)
    assert settings.login_limits().login_from_address.free == 4


def test_without_variables_they_are_the_librarys_defaults():
    settings = load_settings(ListenerSettings)
    assert (settings.cache_limits(), settings.hash_cost()) == (CacheLimits(), HashCost())
    assert settings.login_limits() == LoginLimits()


def test_a_value_out_of_range_is_named_with_its_variable(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_LISTENER_PASSWORD_THREADS", "0")
    with pytest.raises(SystemExit):
        load_settings(ListenerSettings)
    assert "MAILYARD_LISTENER_PASSWORD_THREADS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "address"),
    [("", None), ("ops@B\u00fccher.example", Address("ops", "xn--bcher-kva.example"))],
)
def test_the_postmaster_of_the_installation_is_an_address_or_absent(monkeypatch, text, address):
    monkeypatch.setenv("MAILYARD_POSTMASTER", text)
    assert postmaster_of(load_settings(ListenerSettings)) == address


def test_a_postmaster_that_is_no_address_is_refused_with_the_name_of_its_variable(monkeypatch):
    monkeypatch.setenv("MAILYARD_POSTMASTER", "postmaster")
    with pytest.raises(Misconfigured, match="MAILYARD_POSTMASTER is not a mail address: an address needs"):
        postmaster_of(load_settings(ListenerSettings))


@pytest.mark.parametrize(
    ("name", "lowest"),
    [
        ("LOGIN_FREE_FAILURES", 1),
        ("LOGIN_FREE_FAILURES_ACCOUNT", 1),
        ("LOGIN_FREE_FAILURES_ADDRESS", 1),
        ("LOGIN_FREE_FAILURES_NETWORK", 1),
        ("LOGIN_LONGEST_PAUSE_SECONDS", 1),
        ("LOGIN_REMEMBER_SECONDS", 0),
        ("DIRECTORY_ENTRIES", 100),
        ("DIRECTORY_NEGATIVE_SECONDS", 0),
        ("ARGON2_MEMORY_KIB", 8),
    ],
)
def test_no_setting_can_switch_a_limit_off(monkeypatch, capsys, name, lowest):
    variable = f"MAILYARD_LISTENER_{name}"
    monkeypatch.setenv(variable, str(lowest))
    load_settings(ListenerSettings)
    monkeypatch.setenv(variable, str(lowest - 1))
    with pytest.raises(SystemExit):
        load_settings(ListenerSettings)
    assert variable in capsys.readouterr().err


def test_each_limit_of_failures_reaches_its_counter(monkeypatch):
    for number, name in enumerate(("", "_ACCOUNT", "_ADDRESS", "_NETWORK"), start=11):
        monkeypatch.setenv(f"MAILYARD_LISTENER_LOGIN_FREE_FAILURES{name}", str(number))
    monkeypatch.setenv("MAILYARD_LISTENER_LOGIN_LONGEST_PAUSE_SECONDS", "7")
    limits = load_settings(ListenerSettings).login_limits()
    counters = (limits.login_from_address, limits.login, limits.address, limits.network)
    assert [each.free for each in counters] == [11, 12, 13, 14]
    assert {each.longest_seconds for each in counters} == {7.0}


def test_blocks_and_the_limit_for_unknown_networks_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("MAILYARD_LISTENER_LOGIN_FREE_FAILURES_EVERYWHERE", "0")
    monkeypatch.setenv("MAILYARD_LISTENER_LOGIN_BLOCK_SECONDS", "0")
    limits = load_settings(ListenerSettings).login_limits()
    assert limits.everywhere is None
    assert {each.block_seconds for each in (limits.login, limits.address, limits.network)} == {0.0}
    monkeypatch.setenv("MAILYARD_LISTENER_LOGIN_FREE_FAILURES_EVERYWHERE", "9")
    monkeypatch.setenv("MAILYARD_LISTENER_LOGIN_BLOCK_SECONDS", "60")
    everywhere = load_settings(ListenerSettings).login_limits().everywhere
    assert everywhere is not None
    assert (everywhere.free, everywhere.block_seconds) == (9, 60.0)
