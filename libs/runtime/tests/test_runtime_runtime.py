"""The state of a process between its start and its stop, and what a failed start tells the person who must act."""

import asyncio
import errno
from collections.abc import Awaitable
from types import SimpleNamespace

import pytest

from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.service import EX_SOFTWARE, EX_TEMPFAIL, Runtime, _diagnose
from mailyard.runtime.settings import EX_CONFIG, CommonSettings, settings_class


class Part:
    def __init__(self, name: str, steps: list[str], fails: str = "") -> None:
        self.name = name
        self.steps = steps
        self.fails = fails

    async def start(self) -> None:
        self._step("start")

    async def drain(self) -> None:
        self._step("drain")

    async def close(self) -> None:
        self._step("close")

    def not_ready_reason(self) -> str | None:
        return None

    def _step(self, step: str) -> None:
        self.steps.append(f"{step} {self.name}")
        if step == self.fails:
            raise RuntimeError(f"{step} fails")


@pytest.fixture
def runtime() -> Runtime[CommonSettings]:
    return Runtime("sample", CommonSettings(http_port=0, drain_seconds=2))


async def test_a_process_is_ready_from_the_end_of_its_start_to_the_first_reason_to_stop(runtime) -> None:
    assert runtime.reasons() == {"sample": "starting"}
    await runtime.start([Part("store", [])])
    assert runtime.reasons() == {}
    runtime.stop("SIGTERM")
    assert runtime.reasons() == {"sample": "stopping"}


async def test_the_first_reason_to_stop_decides_the_exit_code(runtime) -> None:
    runtime.stop("the queue has other properties", EX_CONFIG)
    runtime.stop("SIGTERM")
    assert (runtime.exit_code, runtime.stop_asked.is_set()) == (EX_CONFIG, True)


async def test_only_parts_whose_start_has_begun_are_drained_and_closed_in_reverse_order(runtime) -> None:
    steps: list[str] = []
    parts = [Part("store", steps), Part("broker", steps, fails="start"), Part("listener", steps)]
    with pytest.raises(RuntimeError):
        await runtime.start(parts)
    assert runtime.reasons() == {"sample": "starting"}
    await runtime.finish()
    assert steps == [
        "start store",
        "start broker",
        "drain broker",
        "drain store",
        "close broker",
        "close store",
    ]


@pytest.mark.parametrize("step", ["drain", "close"])
async def test_a_part_that_fails_to_stop_hinders_no_other_part(runtime, step: str) -> None:
    steps: list[str] = []
    await runtime.start([Part("store", steps), Part("broker", steps, fails=step)])
    await runtime.finish()
    assert steps[-4:] == ["drain broker", "drain store", "close broker", "close store"]


async def test_a_fifth_of_the_time_of_a_stop_is_kept_for_closing(runtime, monkeypatch) -> None:
    allowed: list[float] = []

    async def bounded(_name: str, step: Awaitable[None], seconds: float) -> None:
        allowed.append(seconds)
        await step

    monkeypatch.setattr("mailyard.runtime.service._bounded", bounded)
    monkeypatch.setattr("mailyard.runtime.service.time", SimpleNamespace(monotonic=lambda: 1000.0))
    await runtime.start([Part("store", []), Part("listener", [])])
    await runtime.finish()
    assert allowed == pytest.approx(
        [1.6, 1.6, 2.0, 2.0]
    )  # seconds of 2 for both drains, then for both closes


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (Misconfigured("set MAILYARD_AMQP_URL"), EX_CONFIG, ""),
        (OSError(errno.EADDRINUSE, "in use"), EX_TEMPFAIL, "choose another port"),
        (OSError(errno.EACCES, "denied"), EX_CONFIG, "ports below 1024 need a right"),
        (PermissionError(errno.EPERM, "denied"), EX_CONFIG, "ports below 1024 need a right"),
        (OSError(errno.EADDRNOTAVAIL, "unknown"), EX_CONFIG, "this machine has no such address"),
        (OSError(errno.EIO, "broken"), EX_SOFTWARE, "report it with the traceback"),
        (ZeroDivisionError("a bug"), EX_SOFTWARE, "report it with the traceback"),
        (asyncio.CancelledError("a part cancelled its own start"), EX_SOFTWARE, "report it"),
    ],
)
def test_a_failed_start_has_an_exit_code_of_sysexits_and_advice(error, code: int, advice: str) -> None:
    found, text = _diagnose(error)
    assert found == code
    assert advice in text
    assert bool(text) is bool(advice)


@pytest.mark.parametrize(
    ("service", "variable"),
    [("smtp-in", "MAILYARD_SMTP_IN_"), ("relay", "MAILYARD_RELAY_"), ("imap", "MAILYARD_IMAP_")],
)
def test_the_settings_of_a_service_are_found_by_its_command(service: str, variable: str) -> None:
    assert settings_class(service).model_config["env_prefix"] == variable
