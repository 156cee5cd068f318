"""A component that the service can do without is reported by /readyz and never takes the process out of service."""

import json

from mailyard.runtime.health import HealthApp
from mailyard.runtime.service import Runtime
from mailyard.runtime.settings import CommonSettings


class Part:
    """A component whose server is unreachable."""

    name = "broker"

    def __init__(self, not_ready=None, degraded=None):
        self._not_ready = not_ready
        self._degraded = degraded

    async def start(self):
        """Start at once."""

    def not_ready_reason(self):
        return self._not_ready

    def degraded(self):
        return self._degraded

    async def drain(self):
        """Nothing to finish."""

    async def close(self):
        """Nothing to close."""


async def _readyz(part):
    runtime = Runtime("sample", CommonSettings(http_port=0))
    await runtime.start([part])
    answer = HealthApp("sample", runtime.reasons, runtime.degradations).respond("GET", "/readyz")
    return answer.status, json.loads(answer.body)


async def test_a_degraded_component_is_reported_and_the_process_stays_ready():
    status, body = await _readyz(Part(degraded="connection lost; mail is accepted"))
    assert (status, body["ready"], body["reasons"]) == (200, True, {})
    assert body["degraded"] == {"broker": "connection lost; mail is accepted"}


async def test_a_reason_against_readiness_is_503():
    status, body = await _readyz(Part(not_ready="connection lost"))
    assert (status, body["reasons"], body["degraded"]) == (503, {"broker": "connection lost"}, {})
