"""A service for the tests of the runner: `python sampleservice.py STORY`; prints what its parts are asked to do."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.renames import Renamed
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import CommonSettings, load_settings, settings_config


class SampleSettings(CommonSettings):
    """One setting of its own, which had another name before."""

    model_config = settings_config("sample")

    size: Annotated[int, Renamed("MAILYARD_SAMPLE_OCTETS", "0.4.0")] = Field(default=1, description="Size.")


class Part:
    """Prints each step; its story says where it misbehaves."""

    def __init__(self, name: str, story: str, runtime: Runtime[SampleSettings]) -> None:
        self.name = name
        self._story = story if name == "second" else ""
        self._runtime = runtime

    async def start(self) -> None:
        self._say("start")
        match self._story:
            case "misconfigured":
                raise Misconfigured("the queue has other properties")
            case "crash":
                raise ZeroDivisionError("a bug")
            case "port":
                await asyncio.start_server(lambda *_: None, "127.0.0.1", self._runtime.health.port)
            case "waits":
                await asyncio.Event().wait()
            case "asks-to-stop":
                self._runtime.stop("had enough", 3)

    def not_ready_reason(self) -> str | None:
        return "a server is away" if self._story in ("waits", "not ready") else None

    async def drain(self) -> None:
        self._say("drain")
        match self._story:
            case "drains-for-ever":
                await asyncio.Event().wait()
            case "fails-to-drain":
                raise OSError("cannot drain")
            case "reports":
                self._say(str(dict(self._runtime.reasons())))

    async def close(self) -> None:
        self._say("close")

    def _say(self, word: str) -> None:
        sys.stderr.write(f"{word} {self.name}\n")
        sys.stderr.flush()


async def build(runtime: Runtime[SampleSettings]) -> Sequence[Component]:
    """Make two parts."""
    return [Part("first", sys.argv[1], runtime), Part("second", sys.argv[1], runtime)]


if __name__ == "__main__":
    sys.exit(run("sample", load_settings(SampleSettings), build))
