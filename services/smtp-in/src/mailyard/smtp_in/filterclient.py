"""Asks the filter for verdicts over HTTP/1.1: one request for each connection, bounded in time and in octets."""

import asyncio
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError

from mailyard.proto.v1.ticket_pb2 import JudgeRequest, JudgeResponse
from mailyard.runtime.errors import Unavailable

_HEAD_OCTETS = 16_384
_RESPONSE_OCTETS = 1024 * 1024


class FilterClient:
    """The filter behind one URL."""

    def __init__(self, url: str, seconds: float) -> None:
        """Ask at `url`, http://host:port, and wait for an answer for at most `seconds`."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._authority = parts.netloc
        self._seconds = seconds

    async def judge(self, request: JudgeRequest) -> JudgeResponse:
        """Return the verdicts.

        Raises:
            Unavailable: there is no answer in time, or none that says anything.

        """
        try:
            async with asyncio.timeout(self._seconds):
                return JudgeResponse.FromString(await self._exchange(request.SerializeToString()))
        except TimeoutError:
            raise Unavailable(f"the filter did not answer within {self._seconds:g} s") from None
        except (OSError, EOFError, ValueError, DecodeError, asyncio.LimitOverrunError) as error:
            raise Unavailable(f"the filter at {self._authority} cannot be asked: {error!r}") from error

    async def _exchange(self, octets: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=_HEAD_OCTETS)
        try:
            head = f"POST /judge HTTP/1.1\r\nHost: {self._authority}\r\nConnection: close\r\n"
            head += f"Content-Type: application/x-protobuf\r\nContent-Length: {len(octets)}\r\n\r\n"
            writer.write(head.encode())
            writer.write(octets)
            await writer.drain()
            status, length = _read_head(await reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(length)
        finally:
            writer.transport.abort()
        if status != 200:
            raise Unavailable(f"the filter answered {status}: {body[:200].decode(errors='replace').strip()}")
        return body


def _read_head(head: bytes) -> tuple[int, int]:
    """Return status and Content-Length of a response (RFC 9112 sections 4 and 6). Raises ValueError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"this is no HTTP response: {first[:100]!r}")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(fields.get("content-length", "-1"))
    if not 0 <= length <= _RESPONSE_OCTETS:
        raise ValueError(f"a response of {length} octets")
    return int(rest[:3]), length
