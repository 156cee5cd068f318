"""How a password reaches the command: asked for, from standard input, from a file, or made up. Never as an argument.

Arguments are seen by everyone on the machine, and shells remember them.
"""

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import MISCONFIGURED, fail

_ALPHABET = (
    "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
)
_LENGTH = 20  # 116 bits

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
FromFile = Annotated[
    Path | None, typer.Option("--password-file", help="Read the password from this file.", dir_okay=False)
]
Generate = Annotated[bool, typer.Option("--generate", help="Generate a random password and print it.")]


@dataclass(frozen=True, slots=True)
class Password:
    """A password, and whether the person has not seen it yet."""

    text: str
    generated: bool = False


def chosen_password(*, stdin: bool, file: Path | None, generate: bool) -> Password:
    """Get the password in the way that the options name; ask for it twice when they name none."""
    if stdin + generate + (file is not None) > 1:
        raise typer.BadParameter("use only one of --password-stdin, --password-file and --generate")
    if generate:
        return Password("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)), generated=True)
    if stdin:
        return Password(first_line(sys.stdin.read()))
    if file is not None:
        return Password(password_in(file))
    if not _on_terminal():
        raise typer.BadParameter("no terminal to ask on: use --password-stdin, --password-file or --generate")
    return Password(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def password_in(file: Path) -> str:
    """Read the first line of a file; end the command when that fails."""
    try:
        return first_line(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        fail(f"cannot read the password: {error}", MISCONFIGURED)


def first_line(text: str) -> str:
    """Leave out the line end, which editors add."""
    return text.partition("\n")[0].removesuffix("\r")
