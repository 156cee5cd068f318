"""W3C Trace Context, level 1: the `traceparent` that a ticket carries through the services.

traceparent = version "-" trace-id "-" parent-id "-" trace-flags      (section 3.2)
"""

import random
import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The ids of a span and of its trace, in lower-case hex, never all zero."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.sampled else 0:02x}"


def new_trace(*, sampled: bool = True) -> TraceContext:
    """Begin a trace."""
    return TraceContext(_new_id(16), _new_id(8), sampled)


def parse_traceparent(text: str) -> TraceContext | None:
    """Read a traceparent; None when it is invalid (section 3.2.2: the receiver then begins a new trace)."""
    match = _TRACEPARENT.match(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def _new_id(octets: int) -> str:
    """Return random hex that is not all zero (sections 3.2.2.3 and 3.2.2.4)."""
    while not (value := random.getrandbits(8 * octets)):  # an identifier, no secret
        pass
    return f"{value:0{2 * octets}x}"
