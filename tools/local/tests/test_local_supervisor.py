import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from mailyard.local.processes import Program, StartFailed, free_port
from mailyard.local.readiness import readyz
from mailyard.local.supervisor import Part, Supervisor

FAKE = Path(__file__).with_name("fake_service.py")


class Stage:
    """A supervisor, what it said, and its book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(folder / "processes.json", self.said.append)

    def part(self, name: str, behaviour: str = "good", stop_seconds: float = 5) -> Part:
        port = free_port()
        argv = (sys.executable, str(FAKE), str(port), behaviour)
        return Part(Program(name, argv, self.folder / f"{name}.log"), partial(readyz, port), stop_seconds)

    def pid(self, name: str) -> int:
        return json.loads((self.folder / "processes.json").read_text())["parts"][name]["pid"]

    def is_again_ready(self, part: Part, first: int) -> bool:
        self.supervisor.tick()
        return self.pid(part.name) != first and part.not_ready_reason() is None


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # processes tell nothing by themselves
            await asyncio.sleep(0.02)


@pytest.fixture
async def stage(tmp_path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.supervisor.kill()


async def test_parts_that_answer_readyz_are_ready(stage: Stage):
    parts = [stage.part("one"), stage.part("two")]
    stage.supervisor.start(parts)
    await stage.supervisor.until_ready(parts, 10)
    assert stage.supervisor.down() == []


async def test_a_killed_part_is_started_again_and_the_book_names_the_new_process(stage: Stage):
    part = stage.part("one")
    stage.supervisor.start([part])
    await stage.supervisor.until_ready([part], 10)
    first = stage.pid("one")
    os.kill(first, signal.SIGKILL)
    await until(lambda: stage.is_again_ready(part, first))
    assert stage.said == [f"one was ended by SIGKILL; it is started again in 0.5 s (log: {part.program.log})"]


async def test_a_part_that_dies_at_once_is_started_more_and_more_slowly(tmp_path):
    now = 0.0
    said: list[str] = []
    supervisor = Supervisor(tmp_path / "book", said.append, lambda: now)
    supervisor.start([Part(Program("bad", ("false",), tmp_path / "bad.log"), lambda: "never")])
    for _ in range(400):
        now += 0.1
        supervisor.tick()
        await asyncio.sleep(0.005)
    pauses = [line.partition(" in ")[2].split()[0] for line in said]
    assert pauses[:6] == ["0.5", "1", "2", "4", "8", "8"]


async def test_a_part_that_is_not_ready_in_time_fails_the_start_with_its_own_reason(stage: Stage):
    part = stage.part("slow", "never-ready")
    stage.supervisor.start([part])
    with pytest.raises(StartFailed, match="slow is not ready after 1 s: broker: not connected"):
        await stage.supervisor.until_ready([part], 1)


async def test_a_part_with_wrong_settings_fails_the_start_at_once_with_the_end_of_its_log(stage: Stage):
    part = stage.part("wrong", "misconfigured")
    stage.supervisor.start([part])
    with pytest.raises(StartFailed, match="MAILYARD_FAKE_LIMIT: no such setting"):
        await asyncio.wait_for(stage.supervisor.until_ready([part], 60), 10)


async def test_parts_stop_one_after_the_other_in_the_order_given(stage: Stage):
    parts = [stage.part("first"), stage.part("second")]
    stage.supervisor.start(parts)
    await stage.supervisor.until_ready(parts, 10)
    ends = {}
    for part in parts:
        process = psutil.Process(stage.pid(part.name))
        ends[part.name] = asyncio.create_task(asyncio.to_thread(process.wait))
    stopping = asyncio.create_task(stage.supervisor.stop(parts))
    await ends["first"]
    assert not ends["second"].done()
    await stopping
    await ends["second"]
    assert [part.program.log.read_text() for part in parts] == ["stopped\n", "stopped\n"]
    assert stage.said == []


async def test_a_part_that_ignores_the_stop_is_killed_and_named(stage: Stage):
    part = stage.part("deaf", "stubborn", stop_seconds=0.3)
    stage.supervisor.start([part])
    await stage.supervisor.until_ready([part], 10)
    await stage.supervisor.stop([part])
    assert stage.said == ["deaf did not stop within 0.3 s and was killed"]
    assert stage.supervisor.down() == ["deaf"]


async def test_a_part_that_never_came_up_is_not_waited_for(stage: Stage, monkeypatch):
    monkeypatch.setattr("mailyard.local.supervisor.BOOT_STOP_SECONDS", 0.2)
    part = stage.part("booting", "stubborn", stop_seconds=60)
    stage.supervisor.start([part])
    await until(lambda: part.not_ready_reason() is None)
    await stage.supervisor.stop([part])
    assert stage.said == ["booting did not stop within 0.2 s and was killed"]


async def test_a_stopped_part_stays_stopped(stage: Stage):
    part = stage.part("one")
    stage.supervisor.start([part])
    await stage.supervisor.until_ready([part], 10)
    await stage.supervisor.stop([part])
    stage.supervisor.tick()
    assert stage.said == []
    assert stage.supervisor.down() == ["one"]


async def test_a_part_ends_when_its_supervisor_is_killed(tmp_path):
    port = free_port()
    script = (
        "import sys, time; from pathlib import Path; from mailyard.local.processes import Program, start;"
        f"p = start(Program('x', (sys.executable, {str(FAKE)!r}, '{port}', 'good'), Path({str(tmp_path / 'x.log')!r})));"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    part = psutil.Process(int(await supervisor.stdout.readline()))
    await until(lambda: readyz(port) is None)
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not part.is_running() or part.status() == psutil.STATUS_ZOMBIE)
