"""The command knows its verbs without loading them; help and the reference page tell of each."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailyard.cli.main import app
from mailyard.cli.reference import page
from mailyard.cli.verbs import VERBS

ROOT = Path(__file__).parents[3]
SERVERS = {"pymongo", "aio_pika", "pydantic", "kubernetes", "dns", "cryptography"}


def loaded_by(code: str) -> set[str]:
    """Packages that a process has in memory at the end of `code`."""
    told = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_lists_every_verb_and_loads_none() -> None:
    shown = CliRunner().invoke(app, ["--help"], prog_name="mailyard").stdout
    listed = [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()]
    assert listed == list(VERBS)
    assert loaded_by("import mailyard.cli.main") & SERVERS == set()


def test_a_sink_holds_no_client_of_a_server_in_memory() -> None:
    assert loaded_by("import mailyard.cli.sink") & SERVERS == set()


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_a_verbs_line_of_help_is_what_its_own_help_begins_with(verb) -> None:
    assert verb.load().help.partition("\n\n")[0].replace("\n", " ") == verb.line


def test_a_misspelt_verb_is_wrong_usage_and_the_right_one_is_named() -> None:
    refused = CliRunner().invoke(app, ["ledgr"], prog_name="mailyard")
    assert (refused.exit_code, "Did you mean 'ledger'?" in refused.stderr) == (2, True)


def test_the_reference_is_current() -> None:
    assert (ROOT / "docs/cli.md").read_text() == page()


def test_the_reference_lists_every_command() -> None:
    written = page()
    for command in ("account passwd", "alias add", "queue list", "trace", "ledger"):
        assert f"\n## mailyard {command}\n" in written
