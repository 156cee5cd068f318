"""Logs are one JSON object per line, and no secret is in them."""

import io
import json
import logging

import pytest
import structlog

from mailyard.runtime.logs import configure_logs, get_logger


@pytest.fixture
def lines():
    """Configure JSON logs into memory; return a function that reads them."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("sample", "info", "json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_says_what_happened_where_and_when(lines):
    get_logger("mailyard.sample").info("broker.connected", spool_id="0abc", tickets=3)
    (line,) = lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "broker.connected",
        "level": "info",
        "module": "mailyard.sample",
        "service": "sample",
        "spool_id": "0abc",
        "tickets": 3,
    }


def test_lines_below_the_level_are_not_written(lines):
    get_logger("x").debug("broker.connected")
    assert lines() == []


def test_a_traceback_is_one_line(lines):
    try:
        raise ValueError("it broke")
    except ValueError:
        get_logger("x").exception("consumer.poison")
    (line,) = lines()
    assert "ValueError: it broke" in line["exception"]


def test_credentials_in_urls_are_hidden(lines):
    get_logger("x").info(
        "broker.connected", url="amqp://user:hunter2@host/v", note="see mongodb://a:hunter2@b/c"
    )
    (line,) = lines()
    assert line["url"] == "amqp://[hidden]@host/v"
    assert line["note"] == "see mongodb://[hidden]@b/c"


def test_credentials_in_a_traceback_are_hidden(lines):
    try:
        raise OSError("cannot reach amqp://user:hunter2@host/")
    except OSError:
        get_logger("x").exception("broker.connection_failed")
    assert "hunter2" not in json.dumps(lines())


def test_values_of_secret_keys_are_hidden(lines):
    get_logger("x").info("service.starting", password="hunter2", token="t")
    (line,) = lines()
    assert (line["password"], line["token"]) == ("[hidden]", "[hidden]")


def test_a_third_party_warning_has_the_same_form(lines):
    logging.getLogger("somelib").warning("odd thing %d at amqp://u:hunter2@h/", 3)
    logging.getLogger("somelib").info("not wanted")
    (line,) = lines()
    assert line["event"] == "library.message"
    assert line["message"] == "odd thing 3 at amqp://[hidden]@h/"
    assert (line["logger"], line["level"], line["service"]) == ("somelib", "warning", "sample")


def test_octets_and_other_values_do_not_break_the_line(lines):
    get_logger("x").info("service.starting", octets=b"\xff\x00", value=object())
    (line,) = lines()
    assert line["octets"] == "b'\\xff\\x00'"


def test_console_format_is_for_people():
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("sample", "info", "console", stream=stream)
    get_logger("x").info("service.started", port=1)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    assert "service.started" in stream.getvalue()
