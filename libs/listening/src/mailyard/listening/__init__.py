"""The listening side of every service: from the socket to an admitted connection with a client's address and TLS."""

from mailyard.listening.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
