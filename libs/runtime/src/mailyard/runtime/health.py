"""/livez, /readyz and /metrics: a small ASGI app, served by uvicorn inside the service's own event loop.

/livez answers as long as the loop runs. /readyz answers 200 when no component has a reason against it, else
503 with the reasons as JSON. `degraded` says what does not work although the process is ready: a server that the
service can do without is unreachable. A response never waits for another server.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import uvicorn
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from mailyard.runtime.metrics import CONTENT_TYPE, exposition

Reasons = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP response."""

    status: int
    content_type: str
    body: bytes


class HealthApp:
    """The ASGI app.

    `reasons` says, per component, why the process is not ready; `degraded`, what does not work although it is.
    """

    def __init__(self, service: str, reasons: Reasons, degraded: Reasons = dict) -> None:
        self._service = service
        self._reasons = reasons
        self._degraded = degraded

    async def __call__(self, scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Respond to one request."""
        if scope["type"] != "http":
            return
        response = self.respond(scope["method"], scope["path"])
        headers = [
            (b"content-type", response.content_type.encode()),
            (b"content-length", str(len(response.body)).encode()),
        ]
        await send(
            {"type": "http.response.start", "status": response.status, "headers": headers, "trailers": False}
        )
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def respond(self, method: str, path: str) -> HttpResponse:
        """Return the response to a request."""
        if method not in ("GET", "HEAD"):
            return HttpResponse(405, "text/plain", b"only GET and HEAD\n")
        match path:
            case "/livez":
                return _json(200, {"service": self._service, "alive": True})
            case "/readyz":
                reasons = dict(self._reasons())
                degraded = dict(self._degraded())
                body = {
                    "service": self._service,
                    "ready": not reasons,
                    "reasons": reasons,
                    "degraded": degraded,
                }
                return _json(503 if reasons else 200, body)
            case "/metrics":
                return HttpResponse(200, CONTENT_TYPE, exposition())
            case _:
                return HttpResponse(404, "text/plain", b"here are /livez, /readyz and /metrics\n")


def _json(status: int, value: Mapping[str, object]) -> HttpResponse:
    return HttpResponse(status, "application/json", json.dumps(value).encode() + b"\n")


class _QuietServer(uvicorn.Server):
    """uvicorn without signal handlers: the service runner owns the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI app on one socket; `port` is the real one after `start`."""

    def __init__(self, app: ASGI3Application, host: str, port: int, *, connections: int = 100) -> None:
        """Serve at most `connections` at the same time; others get 503."""
        self.port = port
        self._host = host
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            limit_concurrency=connections,
        )
        self._server = _QuietServer(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind and serve; raises OSError when the address cannot be bound."""
        listener = _bind(self._host, self.port)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")

    async def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # so that a client which connects after `start` waits instead of being refused
    except OSError as error:
        listener.close()
        error.strerror = f"{error.strerror}: http://{host}:{port}"
        raise
    listener.setblocking(False)
    return listener
