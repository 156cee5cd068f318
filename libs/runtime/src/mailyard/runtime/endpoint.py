"""Host and port of a listener, as settings write them."""

import re
from typing import NamedTuple, Self

_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})")


class Endpoint(NamedTuple):
    """An address to listen at."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port` or `[IPv6]:port`; raises ValueError."""
        match = _ENDPOINT.fullmatch(text)
        if match is None or int(match[3]) > 65_535:
            raise ValueError(f"{text!r} is not host:port, for instance 0.0.0.0:143 or [::]:143")
        return cls(match[1] or match[2], int(match[3]))
