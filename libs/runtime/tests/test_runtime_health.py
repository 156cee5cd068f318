"""/livez, /readyz and /metrics answer by HTTP from within the service's own loop."""

import asyncio
import json

import pytest

from mailyard.runtime.health import HealthApp, HealthServer


@pytest.fixture
async def served():
    """A health server; yields the reasons that it tells and a function that asks it."""
    reasons: dict[str, str] = {}
    server = HealthServer(HealthApp("sample", lambda: reasons), "127.0.0.1", 0)
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
        await HealthServer(HealthApp("sample", dict), "127.0.0.1", port).start()
    listener.close()
