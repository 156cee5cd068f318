"""The directory's share of a service's settings."""

import pytest

from mailyard.directory.authentication import LoginLimits
from mailyard.directory.directory import CacheLimits
from mailyard.directory.passwords import HashCost
from mailyard.directory.settings import DirectorySettings, LoginSettings
from mailyard.runtime.settings import CommonSettings, load_settings, settings_config


class DoorSettings(DirectorySettings, LoginSettings, CommonSettings):
    model_config = settings_config("door")


def test_they_are_read_under_the_services_prefix(monkeypatch):
    monkeypatch.setenv("MAILYARD_DOOR_DIRECTORY_POSITIVE_SECONDS", "2.5")
    monkeypatch.setenv("MAILYARD_DOOR_ARGON2_TIME", "3")
    monkeypatch.setenv("MAILYARD_DOOR_LOGIN_FREE_FAILURES", "4")
    settings = load_settings(DoorSettings)
    assert settings.cache_limits() == CacheLimits(positive_seconds=2.5)
    assert settings.hash_cost() == HashCost(time=3)
    assert settings.login_limits().login_from_address.free == 4


def test_without_variables_they_are_the_librarys_defaults():
    settings = load_settings(DoorSettings)
    assert (settings.cache_limits(), settings.hash_cost()) == (CacheLimits(), HashCost())
    assert settings.login_limits() == LoginLimits()


def test_a_value_out_of_range_is_named_with_its_variable(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_DOOR_PASSWORD_THREADS", "0")
    with pytest.raises(SystemExit):
        load_settings(DoorSettings)
    assert "MAILYARD_DOOR_PASSWORD_THREADS" in capsys.readouterr().err
