"""Where the sink's messages go: counted and forgotten, kept in memory, or kept in files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Taken:
    """One message."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes


class Box(Protocol):
    """Where messages go; `keeps_octets`: else it never sees any."""

    keeps_octets: bool

    def keep(self, taken: Taken) -> None:
        """Have one more."""


class Counter:
    """Counts and forgets."""

    keeps_octets = False

    def __init__(self) -> None:
        self.messages = 0
        self.recipients = 0

    def keep(self, taken: Taken) -> None:
        """Count one more."""
        self.messages += 1
        self.recipients += len(taken.recipients)


class Memory:
    """Keeps everything, for tests."""

    keeps_octets = True

    def __init__(self) -> None:
        self.messages: list[Taken] = []

    def keep(self, taken: Taken) -> None:
        """Have one more."""
        self.messages.append(taken)


class Directory:
    """Keep each message in a file, octet for octet, and its envelope in a second file."""

    keeps_octets = True

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._number = max((int(file.stem) for file in path.glob("*.eml") if file.stem.isdigit()), default=0)

    def keep(self, taken: Taken) -> None:
        """Write one more; the .eml is written last, so that a reader who sees it finds both."""
        self._number += 1
        envelope = {"sender": taken.sender, "recipients": taken.recipients}
        self._path.joinpath(f"{self._number:08}.json").write_text(json.dumps(envelope), encoding="utf-8")
        self._path.joinpath(f"{self._number:08}.eml").write_bytes(taken.octets)
