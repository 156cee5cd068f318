"""Modes of a check by listener, as a setting gives them: `refuse`, or `mx:refuse,submission:note`. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from mailyard.directory.policy import HygieneMode
from mailyard.smtp_in.listeners import ListenerName

MODES_PATTERN = r"^(off|note|refuse|((mx|submission|submissions|lmtp):(off|note|refuse)(,|$))+)$"


def modes_of(text: str) -> Mapping[str, HygieneMode]:
    """Return the mode of each listener; without a listener's name, a mode is that of all listeners."""
    modes = dict.fromkeys(map(str, ListenerName), HygieneMode.OFF)
    for part in text.split(","):
        listener, named, mode = part.partition(":")
        if named:
            modes[listener] = HygieneMode(mode)
        elif part:
            modes = dict.fromkeys(modes, HygieneMode(part))
    return MappingProxyType(modes)
