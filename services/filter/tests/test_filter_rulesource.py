import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from mailyard.filter.rules.rulesource import RuleSource
from mailyard.runtime.errors import Misconfigured

RULE = '[[rule]]\nname = "{}"\naction = "tag"\nwhen = [{{ look_at = "size", over = 1 }}]\n'
LIMIT = 10.0


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULE.format("one"))
    return path


async def eventually(condition, what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s: {what}"
        await asyncio.sleep(0.01)


async def test_without_a_file_there_are_no_rules():
    source = RuleSource(None, 0.01)
    await source.start()
    assert len(source.current) == 0
    await source.close()


async def test_a_file_that_cannot_be_used_stops_the_start(path):
    path.write_text(RULE.format("bad name"))
    source = RuleSource(path, 0.01)
    with pytest.raises(
        Misconfigured, match=r'(?s)MAILYARD_FILTER_RULES names .*rule 1 "bad name": name: letters'
    ):
        await source.start()
    await source.close()


async def test_a_changed_file_is_read_again(path):
    source = RuleSource(path, 0.01)
    await source.start()
    assert len(source.current) == 1
    path.write_text(RULE.format("one") + RULE.format("two"))
    await eventually(lambda: len(source.current) == 2, "two rules")
    await source.close()


async def test_a_hang_up_reads_the_file_at_once(path):
    source = RuleSource(path, 3600)
    await source.start()
    path.write_text(RULE.format("one") + RULE.format("two"))
    os.kill(os.getpid(), signal.SIGHUP)
    await eventually(lambda: len(source.current) == 2, "two rules")
    await source.close()


async def test_a_bad_change_leaves_the_rules_in_force_and_a_good_one_replaces_them(path):
    source = RuleSource(path, 0.01)
    await source.start()
    before = source.current
    path.write_text("[[rule")
    refused = source._stamp
    await eventually(lambda: source._stamp != refused, "the change is seen")
    assert source.current is before
    path.unlink()
    path.write_text(RULE.format("one") + RULE.format("two") + RULE.format("three"))
    await eventually(lambda: len(source.current) == 3, "three rules")
    await source.close()


async def test_a_file_that_vanishes_is_logged_once_and_the_rules_stay(path, capsys):
    source = RuleSource(path, 0.01)
    await source.start()
    path.unlink()
    await eventually(lambda: source._absent_looks > 4, "some looks at nothing")
    assert len(source.current) == 1
    assert capsys.readouterr().out.count("filter.rules_missing") == 1
    path.write_text(RULE.format("one") + RULE.format("two"))
    await eventually(lambda: len(source.current) == 2, "two rules")
    await source.close()
