"""The command as a person runs it, on a real MongoDB."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mailyard.cli.main import app


@dataclass(frozen=True)
class Command:
    environment: dict[str, str | None]

    def __call__(self, *arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(
            app, list(arguments), input=given, env=self.environment, prog_name="mailyard"
        )

    def json(self, *arguments: str, given: str | None = None) -> Any:
        result = self(*arguments, "--json", given=given)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def mailyard(mongo_url: str, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command({"MAILYARD_MONGO_URL": mongo_url, "MAILYARD_MONGO_DATABASE": database})


@pytest.fixture
def example(mailyard: Command) -> Command:
    for arguments in [("tenant", "add", "acme"), ("domain", "add", "example.org", "--tenant", "acme")]:
        assert mailyard(*arguments).exit_code == 0
    return mailyard
