"""Whether a part is ready, asked from outside: its /readyz, or whether its port is open."""

import http.client
import json
import socket

from mailyard.local.ports import HOST

TIMEOUT_SECONDS = 2.0


def readyz(port: int) -> str | None:
    """The reasons that a service gives against itself, or None when it is ready."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port} ({type(error).__name__})"
    finally:
        connection.close()
    return None if answer.status == http.HTTPStatus.OK else _reasons(body)


def _reasons(body: bytes) -> str:
    try:
        reasons: dict[str, str] = json.loads(body)["reasons"]
    except (ValueError, KeyError, TypeError):
        return "not ready, and it does not say why"
    return "; ".join(f"{component}: {reason}" for component, reason in reasons.items()) or "not ready"


def listening(port: int) -> str | None:
    """None when a connection is taken."""
    try:
        socket.create_connection((HOST, port), timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        return f"no answer on port {port} ({type(error).__name__})"
    return None
