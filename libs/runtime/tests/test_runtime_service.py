"""A service starts its parts in order, stops them in reverse order, and ends with a code that says why."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

LIMIT = 20


@dataclass
class Life:
    """A running sample service."""

    process: subprocess.Popen
    port: int

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return None, b""

    def wait_for(self, status, path="/readyz"):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            answer = self.get(path)
            if answer[0] == status:
                return json.loads(answer[1])
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status} within {LIMIT} s")

    def end(self):
        """Wait for the end; return exit code, what the parts said, and the log."""
        out, said = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, said.splitlines(), [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def live(tmp_path):
    """Start a sample service with a story."""
    lives = []

    def start(story, **variables):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        env = {name: text for name, text in os.environ.items() if not name.startswith("MAILYARD_")}
        env |= {"MAILYARD_HTTP_PORT": str(port), **variables}
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("sampleservice.py")), story],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        lives.append(Life(process, port))
        return lives[-1]

    yield start
    for life in lives:
        with contextlib.suppress(ProcessLookupError):
            life.process.kill()
        life.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_closes_in_reverse_order_and_exits_with_0(live, number):
    life = live("plain")
    life.wait_for(200)
    life.process.send_signal(number)
    code, said, log = life.end()
    order = ["start first", "start second", "drain second", "drain first", "close second", "close first"]
    assert (code, said) == (0, order)
    assert [line["event"] for line in log] == [
        "service.starting",
        "service.started",
        "service.stopping",
        "service.stopped",
    ]


def test_readiness_goes_off_before_the_parts_drain(live):
    life = live("reports")
    life.wait_for(200)
    life.process.terminate()
    _, said, _ = life.end()
    assert "{'sample': 'stopping'} second" in said


def test_a_part_that_waits_in_its_start_is_told_by_readyz_and_can_be_stopped(live):
    life = live("waits")
    answer = life.wait_for(503)
    assert answer["reasons"] == {"second": "a server is away", "sample": "starting"}
    assert life.get("/livez")[0] == 200
    life.process.terminate()
    code, said, _ = life.end()
    assert code == 0
    assert said[-1] == "close first"


def test_a_part_with_a_reason_makes_the_process_not_ready(live):
    life = live("not ready")
    assert life.wait_for(503)["reasons"]["second"] == "a server is away"
    deadline = time.monotonic() + LIMIT
    while life.wait_for(503)["reasons"] != {"second": "a server is away"}:
        assert time.monotonic() < deadline, "the process stayed in `starting`"
    assert b"mailyard_ready_state 0.0" in life.get("/metrics")[1]


def test_draining_is_bounded_by_drain_seconds_and_the_others_still_get_their_turn(live):
    life = live("drains-for-ever", MAILYARD_DRAIN_SECONDS="1")
    life.wait_for(200)
    began = time.monotonic()
    life.process.terminate()
    code, said, log = life.end()
    assert code == 0
    assert said[2:] == ["drain second", "drain first", "close second", "close first"]
    assert time.monotonic() - began < 5
    assert "service.drain_timeout" in [line["event"] for line in log]


def test_a_part_that_fails_to_drain_does_not_keep_the_others_from_it(live):
    life = live("fails-to-drain")
    life.wait_for(200)
    life.process.terminate()
    code, said, log = life.end()
    assert code == 0
    assert said[2:] == ["drain second", "drain first", "close second", "close first"]
    (problem,) = [line for line in log if line["event"] == "service.stop_problem"]
    assert "cannot drain" in problem["exception"]


def test_a_second_signal_ends_the_process_at_once(live):
    life = live("drains-for-ever")
    life.wait_for(200)
    life.process.terminate()
    life.wait_for(503)
    life.process.terminate()
    code, said, _ = life.end()
    assert code == 128 + signal.SIGTERM
    assert "close first" not in said


def test_a_part_that_a_person_must_fix_ends_the_start_with_78(live):
    code, said, log = live("misconfigured").end()
    assert code == 78
    assert said[-1] == "close first"
    (line,) = [line for line in log if line["event"] == "service.start_failed"]
    assert line["error"] == "the queue has other properties"
    assert "exception" not in line


def test_a_port_in_use_ends_the_start_with_75_and_says_what_to_do(live):
    code, _, log = live("port").end()
    assert code == 75
    (line,) = [line for line in log if line["event"] == "service.start_failed"]
    assert "address already in use" in line["error"].lower()
    assert "stop it, or choose another port" in line["advice"]


def test_the_health_port_in_use_ends_the_start_with_75(live):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said, log = live("plain", MAILYARD_HTTP_PORT=str(port)).end()
    assert (code, said) == (75, [])
    (line,) = [line for line in log if line["event"] == "service.start_failed"]
    assert f"http://127.0.0.1:{port}" in line["error"]


def test_an_address_that_the_machine_has_not_ends_the_start_with_78(live):
    code, _, log = live("plain", MAILYARD_HTTP_HOST="192.0.2.1").end()
    assert code == 78
    assert "choose one that it has" in log[1]["advice"]


def test_a_fault_in_a_start_ends_with_70_and_a_traceback(live):
    code, _, log = live("crash").end()
    assert code == 70
    (line,) = [line for line in log if line["event"] == "service.start_failed"]
    assert "ZeroDivisionError: a bug" in line["exception"]


def test_a_part_may_stop_the_process_with_a_code_of_its_own(live):
    code, said, _ = live("asks-to-stop").end()
    assert code == 3
    assert said[-1] == "close first"


def test_wrong_settings_end_with_78_before_anything_starts(live):
    life = live("plain", MAILYARD_DRAIN_SECONDS="soon")
    out, err = life.process.communicate(timeout=LIMIT)
    assert (life.process.returncode, out) == (78, "")
    assert "MAILYARD_DRAIN_SECONDS" in err


def test_an_old_name_of_a_setting_works_and_is_logged_once_with_the_name_to_use(live):
    life = live("plain", MAILYARD_SAMPLE_OCTETS="7")
    life.wait_for(200)
    life.process.terminate()
    code, _, log = life.end()
    assert code == 0
    (line,) = [line for line in log if line["event"] == "settings.old_variable"]
    assert line["level"] == "warning"
    assert (line["variable"], line["use"]) == ("MAILYARD_SAMPLE_OCTETS", "MAILYARD_SAMPLE_SIZE")
    assert line["renamed_in_version"] == "0.4.0"
