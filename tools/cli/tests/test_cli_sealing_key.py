import base64
from datetime import UTC, datetime

from pydantic import SecretStr
from typer.testing import CliRunner

from mailyard.cli.main import app
from mailyard.directory.sealing import sealing_keys_of
from mailyard.runtime.settings import CommonSettings


def test_a_new_key_can_be_used_as_it_is_printed_and_has_the_date_as_its_id() -> None:
    done = CliRunner().invoke(app, ["sealing-key", "new"])

    keys = sealing_keys_of(CommonSettings(sealing_keys=SecretStr(done.stdout)))
    assert list(keys.keys) == [f"{datetime.now(UTC):%Y-%m-%d}"]
    assert keys.open(keys.seal(b"secret", "a place"), "a place") == b"secret"


def test_two_keys_with_different_ids_differ() -> None:
    lines = [CliRunner().invoke(app, ["sealing-key", "new", "--id", name]).stdout.split() for name in "ab"]

    assert [line[0] for line in lines] == ["a", "b"]
    first, second = (base64.b64decode(line[1]) for line in lines)
    assert first != second
    assert len(first) == len(second) == 32


def test_an_impossible_id_is_refused_with_the_rule() -> None:
    done = CliRunner().invoke(app, ["sealing-key", "new", "--id", "A b"])

    assert done.exit_code == 1
    assert "1 to 32 characters of a-z, 0-9 and hyphen" in done.stderr
