"""Passwords for the command: from a prompt, standard input or a file, or generated. Never from an argument.

All users of the machine can see arguments, and shells store them.
"""

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import MISCONFIGURED, REFUSED, fail
from mailyard.directory.errors import Invalid
from mailyard.directory.passwordschemes import ImportedHash, imported_hash

_ALPHABET = (
    "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
)
_LENGTH = 20  # 116 bits

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
FromFile = Annotated[
    Path | None, typer.Option("--password-file", help="Read the password from this file.", dir_okay=False)
]
HashFromStdin = Annotated[
    bool,
    typer.Option(
        "--password-hash-stdin",
        help="Read a password hash of another system from standard input, with or without Dovecot's {SCHEME}.",
    ),
]
Generate = Annotated[bool, typer.Option("--generate", help="Generate a random password and print it.")]


@dataclass(frozen=True, slots=True)
class Password:
    """A password; a generated one must be shown."""

    text: str
    generated: bool = False
    imported: ImportedHash | None = None  # a hash instead of a password

    @property
    def secret(self) -> str | ImportedHash:
        """The password or the hash, as the directory takes it."""
        return self.imported or self.text


def chosen_password(*, stdin: bool, file: Path | None, generate: bool, hash_stdin: bool = False) -> Password:
    """Return the password from the source that the options name; without options, prompt for it twice."""
    if stdin + generate + hash_stdin + (file is not None) > 1:
        raise typer.BadParameter(
            "use only one of --password-stdin, --password-file, --password-hash-stdin and --generate"
        )
    if generate:
        return Password("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)), generated=True)
    if hash_stdin:
        return Password("", imported=_hash_in(first_line(sys.stdin.read())))
    if stdin:
        return Password(first_line(sys.stdin.read()))
    if file is not None:
        return Password(password_in(file))
    if not _on_terminal():
        raise typer.BadParameter(
            "no terminal for a prompt: use --password-stdin, --password-file or --generate"
        )
    return Password(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _hash_in(line: str) -> ImportedHash:
    try:
        return imported_hash(line)
    except Invalid as error:
        fail(str(error), REFUSED)


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
