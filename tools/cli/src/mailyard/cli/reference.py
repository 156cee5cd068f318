"""Generate docs/cli.md from the command's help: `python -m mailyard.cli.reference`; `--check` compares it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from mailyard.cli.main import app
from mailyard.cli.verbs import VERBS

PAGE = Path("docs/cli.md")
_TERMINAL = {"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"}
_OPENING = """# The `mailyard` command

Written by `python -m mailyard.cli.reference` from the command's own help; do not edit.

The command connects to MongoDB and RabbitMQ directly. `MAILYARD_MONGO_URL`, `MAILYARD_AMQP_URL` and
`MAILYARD_MONGO_DATABASE` name them: in the file of `--config`, else in the environment. If the environment sets none of
them, the command reads `var/local/env`, which `make run` writes.

Lists are tables; with `--json` they are arrays of objects, times in RFC 3339. Passwords come from a prompt, standard
input or a file, never from an argument.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | failed, for example because the name exists or was not found; see standard error |
| 2 | wrong usage |
| 69 | MongoDB or RabbitMQ is unreachable |
| 78 | wrong settings |
"""


def page() -> str:
    """Return the whole page."""
    return _OPENING + "".join(_section(words) for words in [(), *_calls()])


def _calls() -> Iterator[tuple[str, ...]]:
    """Name every verb, and every command below a verb, by the words that call it."""
    for verb in VERBS.values():
        yield from _calls_of((verb.name,), verb.load())


def _calls_of(words: tuple[str, ...], command: object) -> Iterator[tuple[str, ...]]:
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from _calls_of((*words, name), inner)


def _section(command: tuple[str, ...]) -> str:
    name = " ".join(("mailyard", *command))
    shown = CliRunner().invoke(app, [*command, "--help"], prog_name="mailyard", env=_TERMINAL)
    if shown.exit_code:
        raise RuntimeError(f"{name} --help ended with {shown.exit_code}: {shown.output}")
    return f"\n## {name}\n\n```text\n{shown.stdout.strip()}\n```\n"


def main() -> None:
    """Write the page, or with --check exit 1 when it is not current."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.exit(f"{PAGE} is not current: run `python -m mailyard.cli.reference`")


if __name__ == "__main__":
    main()
