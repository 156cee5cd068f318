"""Call a webhook: one POST of JSON over HTTPS with a signature, bounded in time and octets.

The address is checked and then connected to, so a name cannot lead elsewhere between the two steps. A redirect is not
followed: it is a failure. The receiver checks `Mailyard-Signature: t=SECONDS,sha256=HEX`: the HMAC-SHA-256 of the text
`SECONDS.` and the body with the shared secret, and refuses old seconds.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 10.0
_HEAD_OCTETS: Final = 16_384
_SHORTEST_SECRET: Final = 16
_PORTS: Final = {"https": 443, "http": 80}


class WebhookFailed(Exception):
    """The webhook was not reached, or did not answer 2xx."""


class Webhook:
    """One URL with its secret."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        permits_private: bool = False,
        context: ssl.SSLContext | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        """Raises ValueError: the URL or the secret is not possible."""
        parts = urlsplit(url)
        schemes = ("https", "http") if permits_private else ("https",)
        if parts.scheme not in schemes or not parts.hostname or parts.username or parts.fragment:
            raise ValueError(f"{url!r} is no URL like https://host/path")
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"its secret has less than {_SHORTEST_SECRET} characters")
        if not url.isascii() or any(character <= " " for character in url):
            raise ValueError(f"{url!r} has characters that a URL cannot have")
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._authority = parts.netloc
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._is_tls = parts.scheme == "https"
        self._secret = secret
        self._permits_private = permits_private
        self._context = context
        self._seconds = seconds

    async def call(self, value: Mapping[str, object], key: str, now: datetime) -> None:
        """Send a value; `key` is the same when it is sent again.

        Raises:
            WebhookFailed: it was not taken in time.

        """
        body = json.dumps(value, ensure_ascii=False).encode()
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._post(body, key, int(now.timestamp()))
        except TimeoutError:
            raise WebhookFailed(f"{self._authority} did not answer within {self._seconds:g} s") from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise WebhookFailed(f"{self._authority} cannot be called: {error!r}") from error
        if not 200 <= status < 300:
            raise WebhookFailed(f"{self._authority} answered {status}; redirects are not followed")

    async def _post(self, body: bytes, key: str, second: int) -> int:
        reader, writer = await self._connect()
        try:
            head = (
                f"POST {self._target} HTTP/1.1\r\nHost: {self._authority}\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Mailyard-Delivery: {key}\r\n"
                f"Mailyard-Signature: t={second},sha256={signature(self._secret, second, body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            return _status_of(await reader.readuntil(b"\r\n"))
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = (self._context or ssl.create_default_context()) if self._is_tls else None
        name = self._host if self._is_tls else None
        return await asyncio.open_connection(
            await self._address(), self._port, ssl=context, server_hostname=name, limit=_HEAD_OCTETS
        )

    async def _address(self) -> str:
        """Resolve the name; return an address that may be called."""
        found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, proto=6)
        addresses = [str(each[4][0]) for each in found]
        if not self._permits_private and not all(map(_is_public, addresses)):
            raise OSError(f"{self._host} has an address that is not public")
        if not addresses:
            raise OSError(f"{self._host} has no address")
        return addresses[0]


def signature(secret: bytes, second: int, body: bytes) -> str:
    """Return the signature of a call, in hex."""
    return hmac.new(secret, f"{second}.".encode() + body, hashlib.sha256).hexdigest()


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


def _status_of(line: bytes) -> int:
    """Read a status line (RFC 9112, section 4). Raises ValueError."""
    version, _, rest = line.decode("latin-1").partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"this is no HTTP response: {line[:100]!r}")
    return int(rest[:3])
