"""Events of the canary and its sink."""

from typing import Final

from mailyard.runtime.catalogue import EventType

EVENTS: Final = (
    EventType(
        "sink.echo_dropped", "An echo could not be sent back; the canary that waits for it reports the loss."
    ),
)
