"""The terminal: lines that stay, and below them one line that is written again and again."""

import shutil
from typing import TextIO

_CLEAR = "\r\x1b[K"


class Screen:
    """Without a terminal there is no live line, so that a log file contains only lines that stay."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = ""
        self.is_terminal = out.isatty()

    def say(self, text: str) -> None:
        """Writes lines that stay."""
        self._write(f"{_CLEAR if self._live else ''}{text}\n{self._live}")

    def live(self, text: str) -> None:
        """Replaces the live line; it never wraps, a wrapped line could not be replaced."""
        if self.is_terminal:
            self._live = text[: shutil.get_terminal_size().columns - 1]
            self._write(f"{_CLEAR}{self._live}")

    def end_live(self) -> None:
        """Removes the live line."""
        if self._live:
            self._live = ""
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
