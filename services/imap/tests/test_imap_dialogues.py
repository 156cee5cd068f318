"""Every dialogue in the folder `dialogues`, against the protocol library and the session with a backend in memory."""

from pathlib import Path

import pytest
from imap_dialogue import Dialogue, DialogueFailed

_SCRIPTS = sorted((Path(__file__).parent / "dialogues").glob("*.dialogue"))


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda script: script.stem)
async def test_dialogue(script):
    await Dialogue().run(script.read_text())


async def test_a_dialogue_that_goes_otherwise_fails():
    with pytest.raises(DialogueFailed, match="expected"):
        await Dialogue().run("C: a NOOP\nS: a NO")


async def test_a_dialogue_with_something_left_unread_fails():
    with pytest.raises(DialogueFailed, match="has not read"):
        await Dialogue().run("C: a NOOP")
