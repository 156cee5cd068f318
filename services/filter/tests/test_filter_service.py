"""The filter as a process: it starts, says that it is ready, and stops in order; or says why it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

SECONDS = 30.0
RULE = '[[rule]]\nname = "{}"\naction = "tag"\nwhen = [{{ look_at = "size", over = 1 }}]\n'


@pytest.fixture
def environment(tmp_path, mongo_url, vhost_url, database) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILYARD_")}
    return {
        **kept,
        "MAILYARD_MONGO_URL": mongo_url,
        "MAILYARD_MONGO_DATABASE": database,
        "MAILYARD_AMQP_URL": vhost_url,
        "MAILYARD_HTTP_PORT": str(port),
        "MAILYARD_FILTER_RULES": str(tmp_path / "rules.toml"),
    }


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from mailyard.filter.main import main; main()"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def is_ready(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_the_service_becomes_ready_and_stops_in_order(tmp_path, environment):
    (tmp_path / "rules.toml").write_text(RULE.format("one"))
    process = start(environment)
    try:
        deadline = time.monotonic() + SECONDS
        while not is_ready(environment["MAILYARD_HTTP_PORT"]):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the filter is not ready in time"
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert "filter.rules_loaded" in output


def test_wrong_rules_stop_the_start_with_rule_and_field(tmp_path, environment):
    (tmp_path / "rules.toml").write_text(RULE.format("one").replace("over", "more"))
    process = start(environment)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 78
    assert 'rule 1 \\"one\\": condition 1: more: no such field here' in output
