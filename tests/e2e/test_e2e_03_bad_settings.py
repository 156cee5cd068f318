"""Wrong settings end a service at once with a line that says which variable is wrong and how."""

import socket
from pathlib import Path

import pytest

from mailyard.local.processes import free_port
from mailyard.runtime.services import NAMES
from tests.trial.instance import Instance, free_port_base
from tests.trial.service import LoneService

EX_CONFIG = 78
EX_TEMPFAIL = 75


def refusal(name: str, folder: Path, **variables: str) -> str:
    """Output of a service that ends with EX_CONFIG."""
    with LoneService(name, variables, folder) as service:
        assert service.ended(seconds=30) == EX_CONFIG, service.output()
        return service.output()


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_that_names_no_setting_is_refused(name: str, tmp_path: Path) -> None:
    variable = f"MAILYARD_{name.upper().replace('-', '_')}_NO_SUCH_THING"
    assert variable in refusal(name, tmp_path, **{variable: "1"})


@pytest.mark.parametrize("name", NAMES)
def test_a_port_that_is_no_number_is_refused_with_its_value(name: str, tmp_path: Path) -> None:
    said = refusal(name, tmp_path, MAILYARD_HTTP_PORT="eighty")
    assert "MAILYARD_HTTP_PORT" in said
    assert "eighty" in said


def test_every_wrong_variable_is_reported_at_once(tmp_path: Path) -> None:
    said = refusal("router", tmp_path, MAILYARD_HTTP_PORT="eighty", MAILYARD_LOG_LEVEL="loud")
    assert "MAILYARD_HTTP_PORT" in said
    assert "MAILYARD_LOG_LEVEL" in said


def test_a_secret_file_that_is_not_there_is_reported_by_variable_and_path(tmp_path: Path) -> None:
    said = refusal("router", tmp_path, MAILYARD_MONGO_URL_FILE="/nowhere/mongo-url")
    assert "MAILYARD_MONGO_URL_FILE" in said
    assert "/nowhere/mongo-url" in said


@pytest.mark.parametrize("variable", ["MAILYARD_AMQP_URL", "MAILYARD_MONGO_URL"])
def test_a_url_that_is_none_is_refused_without_showing_the_secret(variable: str, tmp_path: Path) -> None:
    said = refusal("delivery", tmp_path, **{variable: "htp//user:verysecret@somewhere"})
    assert variable in said
    assert "verysecret" not in said


def test_a_listener_that_is_no_address_is_refused(tmp_path: Path) -> None:
    said = refusal("smtp-in", tmp_path, MAILYARD_SMTP_IN_MX_LISTEN="everywhere")
    assert "MAILYARD_SMTP_IN_MX_LISTEN" in said


@pytest.mark.parametrize(
    ("name", "variable"), [("smtp-in", "MAILYARD_SMTP_IN_MX_LISTEN"), ("imap", "MAILYARD_IMAP_LISTEN")]
)
def test_a_listener_port_in_use_is_reported_with_the_port(
    name: str, variable: str, tmp_path: Path, servers: dict[str, str]
) -> None:
    port = free_port()
    environment = {**servers, variable: f"127.0.0.1:{port}"}
    with socket.create_server(("127.0.0.1", port)), LoneService(name, environment, tmp_path) as service:
        assert service.ended(seconds=30) == EX_TEMPFAIL, service.output()
        assert str(port) in service.output()


def test_local_mode_names_the_port_that_is_taken_and_who_holds_it(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "local", free_port_base())
    with socket.create_server(("127.0.0.1", instance.ports.listener("smtp"))):
        ended = instance.launch().wait(60)
    said = instance.output.read_text()
    assert ended != 0
    assert f"port {instance.ports.listener('smtp')} (smtp) is in use by process" in said
    assert "Traceback" not in said
