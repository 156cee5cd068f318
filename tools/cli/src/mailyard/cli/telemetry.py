"""Events of the command line."""

from typing import Final

from mailyard.runtime.catalogue import EventType

EVENTS: Final = (EventType("sink.listening", "The sink accepts mail for every domain."),)
