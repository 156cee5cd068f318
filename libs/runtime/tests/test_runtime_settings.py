"""Settings come from the environment, and every mistake in them is told with its variable and what to do."""

import json
import os
from typing import Annotated

import pytest
from pydantic import Field, SecretStr, ValidationError, field_validator

from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.renames import Renamed
from mailyard.runtime.settings import (
    CommonSettings,
    load_settings,
    old_variables_in_use,
    settings_config,
    unknown_variables,
    variables,
)


class SampleSettings(CommonSettings):
    """Settings of a service that does not exist."""

    model_config = settings_config("sample-service")

    http_port: int = Field(default=9999, ge=0, le=65535, description="Port of this service.")
    limit: int = Field(default=3, ge=1, description="How many.")
    networks: tuple[str, ...] = Field(default=(), description="Trusted networks.")
    weights: dict[str, int] = Field(default_factory=dict, description="Weights by class.")
    key: SecretStr = Field(default=SecretStr(""), description="A key.")
    optional_key: SecretStr | None = Field(default=None, description="Another key.")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("MAILYARD_"):
            monkeypatch.delenv(name)


def refused(capsys):
    with pytest.raises(SystemExit) as exit_info:
        load_settings(SampleSettings)
    assert exit_info.value.code == 78
    return capsys.readouterr().err


def test_common_fields_have_the_common_prefix_and_own_fields_the_services(monkeypatch):
    monkeypatch.setenv("MAILYARD_HOSTNAME", "mx.example.org")
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LIMIT", "7")
    settings = load_settings(SampleSettings)
    assert (settings.hostname, settings.limit) == ("mx.example.org", 7)


def test_a_redefined_common_field_keeps_its_common_variable(monkeypatch):
    assert load_settings(SampleSettings).http_port == 9999
    monkeypatch.setenv("MAILYARD_HTTP_PORT", "9102")
    assert load_settings(SampleSettings).http_port == 9102


def test_a_secret_is_read_from_a_file_without_its_last_newline(monkeypatch, tmp_path):
    path = tmp_path / "url"
    path.write_text("mongodb://u:p@db/\n")
    monkeypatch.setenv("MAILYARD_MONGO_URL_FILE", str(path))
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_OPTIONAL_KEY_FILE", str(path))
    settings = load_settings(SampleSettings)
    assert settings.mongo_url.get_secret_value() == "mongodb://u:p@db/"
    assert settings.optional_key is not None
    assert settings.optional_key.get_secret_value() == "mongodb://u:p@db/"


def test_a_secret_given_twice_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MAILYARD_AMQP_URL", "amqp://a/")
    monkeypatch.setenv("MAILYARD_AMQP_URL_FILE", str(tmp_path / "x"))
    assert "MAILYARD_AMQP_URL: MAILYARD_AMQP_URL_FILE is set too. Set only one of them." in refused(capsys)


def test_a_secret_file_that_is_not_there_is_named_with_its_variable(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_KEY_FILE", "/nowhere/key")
    told = refused(capsys)
    assert "MAILYARD_SAMPLE_SERVICE_KEY_FILE: cannot read /nowhere/key" in told
    assert "Mount the secret there" in told


def test_a_field_that_is_no_secret_is_not_read_from_a_file(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LIMIT_FILE", "/etc/hostname")
    assert "MAILYARD_SAMPLE_SERVICE_LIMIT_FILE: no such setting" in refused(capsys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")), ('["a", "b"]', ("a", "b")), ("", ()), ("one", ("one",))],
)
def test_a_list_is_comma_separated_or_json(monkeypatch, text, expected):
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_NETWORKS", text)
    assert load_settings(SampleSettings).networks == expected


def test_a_mapping_is_json(monkeypatch):
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_WEIGHTS", '{"bulk": 1}')
    assert load_settings(SampleSettings).weights == {"bulk": 1}


def test_broken_json_is_told_with_its_variable(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_WEIGHTS", '{"bulk": ')
    assert "MAILYARD_SAMPLE_SERVICE_WEIGHTS: " in refused(capsys)


def test_every_wrong_value_is_told_at_once_with_value_and_meaning(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_HTTP_PORT", "70000")
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LIMIT", "many")
    told = refused(capsys)
    assert "MAILYARD_HTTP_PORT: Input should be less than or equal to 65535 (it is '70000')" in told
    assert "MAILYARD_SAMPLE_SERVICE_LIMIT: Input should be a valid integer" in told
    assert "Meaning: How many." in told


def test_a_misspelt_variable_of_the_service_is_refused_and_the_right_ones_are_named(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LIMITS", "4")
    told = refused(capsys)
    assert "MAILYARD_SAMPLE_SERVICE_LIMITS: no such setting" in told
    assert "MAILYARD_SAMPLE_SERVICE_LIMIT," in told


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("MAILYARD_LOGLEVEL", "MAILYARD_LOG_LEVEL"),
        ("MAILYARD_LOG_LEVL", "MAILYARD_LOG_LEVEL"),
        ("MAILYARD_MONGODB_URL", "MAILYARD_MONGO_URL"),
        ("MAILYARD_AMPQ_URL", "MAILYARD_AMQP_URL"),
        ("MAILYARD_AMQP_URL_FLIE", "MAILYARD_AMQP_URL_FILE"),
        ("MAILYARD_HOST_NAME", "MAILYARD_HOSTNAME"),
        ("MAILYARD_HTTPPORT", "MAILYARD_HTTP_PORT"),
        ("MAILYARD_SAMPLESERVICE_LIMIT", "MAILYARD_SAMPLE_SERVICE_LIMIT"),
    ],
)
def test_a_misspelt_common_variable_is_refused_with_the_one_that_was_meant(monkeypatch, capsys, wrong, right):
    monkeypatch.setenv(wrong, "x")
    assert f"{wrong}: no such setting. Did you mean {right}?" in refused(capsys)


@pytest.mark.parametrize(
    "name",
    [
        "MAILYARD_RELAY_ROUTES",
        "MAILYARD_LOCAL_DIR",
        "MAILYARD_PORT_BASE",
        "MAILYARD_IMAP_LISTEN",
        "MAILYARD_PORT",
    ],
)
def test_variables_of_other_programs_are_neither_refused_nor_reported(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert load_settings(SampleSettings).limit == 3
    assert unknown_variables(SampleSettings) == []


def test_a_variable_that_nobody_knows_is_reported(monkeypatch):
    monkeypatch.setenv("MAILYARD_FOO", "1")
    monkeypatch.setenv("MAILYARD_AMQP_URL_FILE", "")
    load_settings(SampleSettings)
    assert unknown_variables(SampleSettings) == ["MAILYARD_FOO"]


@pytest.mark.parametrize("text", ["", "  "])
def test_a_variable_that_is_set_and_empty_counts_as_not_set(monkeypatch, text):
    for name in ("LOG_LEVEL", "HTTP_PORT", "MONGO_URL", "AMQP_URL_FILE", "TRACING_ENDPOINT", "DRAIN_SECONDS"):
        monkeypatch.setenv(f"MAILYARD_{name}", text)
    for name in ("LIMIT", "WEIGHTS", "KEY", "KEY_FILE"):
        monkeypatch.setenv(f"MAILYARD_SAMPLE_SERVICE_{name}", text)
    given = load_settings(SampleSettings)
    assert (given.log_level, given.http_port, given.limit, given.tracing_endpoint) == ("info", 9999, 3, None)
    assert given.mongo_url.get_secret_value().startswith("mongodb://127.0.0.1")


def test_an_error_names_the_value_as_it_was_set_and_ends_with_advice(monkeypatch, capsys):
    class Listening(SampleSettings):
        listen: tuple[str, ...] = Field(default=(), description="Where.")

        @field_validator("listen")
        @classmethod
        def readable(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(str(Endpoint.parse(text)) for text in texts)

    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LISTEN", "127.0.0.1,x")
    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LIMIT", "1")
    with pytest.raises(SystemExit):
        load_settings(Listening)
    said = capsys.readouterr().err
    assert (
        "LISTEN: '127.0.0.1' is not host:port, for instance 0.0.0.0:143 or [::]:143 (it is '127.0.0.1,x')"
        in said
    )
    assert said.endswith("Fix the variables above and start again; see docs/settings.md.\n")
    for text, expected in {
        "[::]:2525": ("[::]:2525",),
        "[::1]:25,127.0.0.1:25": ("[::1]:25", "127.0.0.1:25"),
        '["[::1]:25", "a:1"]': ("[::1]:25", "a:1"),
        " [::]:25": ("[::]:25",),
    }.items():
        monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_LISTEN", text)
        assert load_settings(Listening).listen == expected


@pytest.mark.parametrize(("fmt", "lines"), [("json", 1), ("", 1), ("console", 0)])
def test_where_logs_are_json_wrong_settings_are_one_line_of_json_too(monkeypatch, capsys, fmt, lines):
    monkeypatch.setenv("MAILYARD_LOG_FORMAT", fmt)
    monkeypatch.setenv("MAILYARD_HTTP_PORT", "eighty")
    said = refused(capsys)
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert len(found) == lines
    for line in found:
        assert (line["event"], line["level"], line["service"]) == (
            "service.start_failed",
            "error",
            "sample-service",
        )
        assert line["error"].startswith("MAILYARD_HTTP_PORT: ")


@pytest.mark.parametrize("name", ["SERVICE_HOST", "PORT", "PORT_25_TCP_ADDR", "SERVICE_PORT_SMTP"])
def test_a_kubernetes_service_link_is_recognised(monkeypatch, capsys, name):
    monkeypatch.setenv(f"MAILYARD_SAMPLE_SERVICE_{name}", "10.0.0.1")
    assert "enableServiceLinks: false" in refused(capsys)


def test_variables_of_other_services_are_left_alone(monkeypatch):
    monkeypatch.setenv("MAILYARD_OTHER_LIMIT", "1")
    assert load_settings(SampleSettings).limit == 3


def test_the_value_of_a_wrong_secret_is_not_shown(monkeypatch, capsys):
    class Strict(SampleSettings):
        key: SecretStr = Field(default=SecretStr("x" * 20), min_length=16, description="A key.")

    monkeypatch.setenv("MAILYARD_SAMPLE_SERVICE_KEY", "hunter2")
    with pytest.raises(SystemExit):
        load_settings(Strict)
    told = capsys.readouterr().err
    assert "MAILYARD_SAMPLE_SERVICE_KEY: " in told
    assert "hunter2" not in told


def test_settings_cannot_be_changed_after_loading():
    settings = load_settings(SampleSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.limit = 9


def test_every_common_field_is_described_and_has_a_variable():
    assert all(field.description for field in CommonSettings.model_fields.values())
    assert variables(SampleSettings)["limit"] == "MAILYARD_SAMPLE_SERVICE_LIMIT"
    assert variables(SampleSettings)["amqp_url"] == "MAILYARD_AMQP_URL"


class TrialSettings(CommonSettings):
    """Settings with a switch that no production may have."""

    model_config = settings_config("trial")
    test_lose_everything: bool = Field(default=False, description="Lose everything.")


def test_a_switch_of_tests_needs_a_host_name_of_tests() -> None:
    assert TrialSettings(test_lose_everything=True, hostname="mail.test").test_lose_everything
    with pytest.raises(ValidationError, match=r"ends with \.test"):
        TrialSettings(test_lose_everything=True, hostname="mail.example")


class RenamedSettings(CommonSettings):
    """Settings of which each had another name before."""

    model_config = settings_config("renamed")

    size: Annotated[int, Field(ge=1), Renamed("MAILYARD_RENAMED_OCTETS", "0.4.0")] = Field(
        default=5, description="How large."
    )
    places: Annotated[tuple[str, ...], Renamed("MAILYARD_RENAMED_SPOTS", "0.4.0")] = Field(
        default=("here",), description="Where."
    )
    key: Annotated[SecretStr | None, Renamed("MAILYARD_OLD_SERVICE_KEY", "0.4.0")] = Field(
        default=None, description="A key."
    )


def refused_renamed(capsys):
    with pytest.raises(SystemExit) as exit_info:
        load_settings(RenamedSettings)
    assert exit_info.value.code == 78
    return capsys.readouterr().err


def test_a_setting_is_read_from_its_old_name(monkeypatch):
    monkeypatch.setenv("MAILYARD_RENAMED_OCTETS", "7")
    monkeypatch.setenv("MAILYARD_RENAMED_SPOTS", "a,b")
    settings = load_settings(RenamedSettings)
    assert (settings.size, settings.places) == (7, ("a", "b"))


def test_an_old_name_in_use_is_named_with_the_new_one_and_the_version(monkeypatch):
    assert list(old_variables_in_use(RenamedSettings)) == []
    monkeypatch.setenv("MAILYARD_RENAMED_OCTETS", "7")
    assert list(old_variables_in_use(RenamedSettings)) == [
        ("MAILYARD_RENAMED_SIZE", Renamed("MAILYARD_RENAMED_OCTETS", "0.4.0"))
    ]


def test_a_secret_is_read_from_the_file_that_its_old_name_gives(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("k\n")
    monkeypatch.setenv("MAILYARD_OLD_SERVICE_KEY_FILE", str(tmp_path / "key"))
    key = load_settings(RenamedSettings).key
    assert key is not None
    assert key.get_secret_value() == "k"
    assert [renamed.old for _, renamed in old_variables_in_use(RenamedSettings)] == [
        "MAILYARD_OLD_SERVICE_KEY"
    ]


@pytest.mark.parametrize(("old", "value"), [("OCTETS", "7"), ("SPOTS", ""), ("SPOTS", "a")])
def test_both_names_at_once_are_refused_and_both_are_named(monkeypatch, capsys, old, value):
    new = {"OCTETS": "SIZE", "SPOTS": "PLACES"}[old]
    monkeypatch.setenv(f"MAILYARD_RENAMED_{old}", value)
    monkeypatch.setenv(f"MAILYARD_RENAMED_{new}", "8")
    expected = (
        f"MAILYARD_RENAMED_{new}: MAILYARD_RENAMED_{old} is set too, an old name of MAILYARD_RENAMED_{new}."
    )
    assert expected in refused_renamed(capsys)


def test_a_file_by_the_old_name_beside_a_value_by_the_new_one_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MAILYARD_RENAMED_KEY", "k")
    monkeypatch.setenv("MAILYARD_OLD_SERVICE_KEY_FILE", str(tmp_path / "key"))
    told = refused_renamed(capsys)
    assert "MAILYARD_RENAMED_KEY: MAILYARD_OLD_SERVICE_KEY is set too" in told


def test_an_old_name_that_is_set_and_blank_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("MAILYARD_RENAMED_OCTETS", " ")
    monkeypatch.setenv("MAILYARD_RENAMED_SIZE", "8")
    assert load_settings(RenamedSettings).size == 8


def test_a_wrong_value_is_reported_with_the_name_that_was_set(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_RENAMED_OCTETS", "0")
    told = refused_renamed(capsys)
    assert "MAILYARD_RENAMED_OCTETS: Input should be greater than or equal to 1 (it is '0')" in told


def test_an_old_name_is_neither_unknown_nor_offered_for_a_misspelt_one(monkeypatch, capsys):
    monkeypatch.setenv("MAILYARD_OLD_SERVICE_KEY", "k")
    assert unknown_variables(RenamedSettings) == []
    monkeypatch.setenv("MAILYARD_RENAMED_OCTET", "7")
    told = refused_renamed(capsys)
    assert "MAILYARD_RENAMED_OCTET: no such setting." in told
    assert "MAILYARD_RENAMED_OCTETS" not in told
