"""Events of the canary and its sink."""

from typing import Final

from mailyard.runtime.catalogue import Event

EVENTS: Final = (
    Event("sink.echo_dropped", "An echo could not be sent back; the canary that waits for it will tell."),
)
