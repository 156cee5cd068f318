"""Events of the command line."""

from typing import Final

from mailyard.runtime.catalogue import Event

EVENTS: Final = (Event("sink.listening", "The sink accepts mail for every domain."),)
