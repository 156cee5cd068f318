"""/livez, /readyz and /metrics answer by HTTP from within the service's own loop."""

import asyncio
import json

import pytest

from mailyard.runtime.health import HealthApp, HttpServer


@pytest.fixture
async def served():
    """A health server; yields the reasons that it tells and a function that asks it."""
    reasons: dict[str, str] = {}
    server = HttpServer(HealthApp("sample", lambda: reasons), "127.0.0.1", 0)
    await server.start()

    async def ask(request: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    yield reasons, lambda line: ask(line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await server.close()


async def test_livez_answers_while_the_loop_runs(served):
    _, ask = served
    status, body = await ask(b"GET /livez")
    assert (status, json.loads(body)) == (200, {"service": "sample", "alive": True})


async def test_readyz_is_200_without_a_reason_against_it(served):
    _, ask = served
    status, body = await ask(b"GET /readyz")
    assert (status, json.loads(body)) == (
        200,
        {"service": "sample", "ready": True, "reasons": {}, "degraded": {}},
    )


async def test_readyz_is_503_with_the_reasons(served):
    reasons, ask = served
    reasons["broker"] = "connection lost"
    status, body = await ask(b"GET /readyz")
    assert status == 503
    assert json.loads(body) == {
        "service": "sample",
        "ready": False,
        "reasons": {"broker": "connection lost"},
        "degraded": {},
    }


async def test_metrics_are_in_prometheus_text_format(served):
    _, ask = served
    status, body = await ask(b"GET /metrics")
    assert status == 200
    assert b"# TYPE process_cpu_seconds_total counter" in body


@pytest.mark.parametrize(
    ("line", "status", "empty"),
    [(b"GET /", 404, False), (b"POST /livez", 405, False), (b"HEAD /readyz", 200, True)],
)
async def test_other_requests_are_answered_plainly(served, line, status, empty):
    _, ask = served
    answer, body = await ask(line)
    assert (answer, body == b"") == (status, empty)


async def test_a_port_in_use_is_told_with_the_address(served):
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match=f"Address already in use: http://127.0.0.1:{port}"):
        await HttpServer(HealthApp("sample", dict), "127.0.0.1", port).start()
    listener.close()


class Waiting:
    """An ASGI app that answers when `go_on` is set."""

    def __init__(self):
        self.go_on, self.under_way = asyncio.Event(), asyncio.Event()

    async def __call__(self, _scope, _receive, send):
        self.under_way.set()
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def _status(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return int(line.split()[1])


async def test_a_request_beyond_the_number_of_connections_gets_503_at_once():
    app = Waiting()
    server = HttpServer(app, "127.0.0.1", 0, connections=2)
    await server.start()
    first = asyncio.create_task(_status(server.port))
    await asyncio.wait_for(app.under_way.wait(), 5)
    assert await _status(server.port) == 503
    app.go_on.set()
    assert await first == 200
    await server.close()


async def test_a_request_that_is_no_http_leaves_the_app_alone():
    sent = []
    await HealthApp("sample", dict)({"type": "lifespan"}, None, sent.append)
    assert sent == []


async def test_a_client_may_connect_as_soon_as_the_server_has_started_also_by_ipv6():
    server = HttpServer(HealthApp("sample", dict), "::1", 0)
    await server.start()
    reader, writer = await asyncio.open_connection("::1", server.port)
    writer.write(b"HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
    writer.close()
    await server.close()


async def test_a_server_that_was_never_started_can_be_closed():
    await HttpServer(HealthApp("sample", dict), "127.0.0.1", 0).close()
