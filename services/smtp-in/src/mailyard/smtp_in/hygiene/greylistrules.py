"""Greylisting: when an attempt is let through. Pure.

A pair of sender and recipient is let through when a network that has tried it before tries again after the wait. Providers send each
attempt from another network, so the attempt of a third network counts too, once the first attempt of any network is old enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class GreylistRules:
    """How long unknown networks wait."""

    wait: timedelta = timedelta(minutes=5)
    retry: timedelta = timedelta(hours=48)  # an attempt counts for so long
    keep: timedelta = timedelta(days=35)  # a pair or network that has passed is known for so long
    passes: int = 5  # pairs with which a network must pass; then it waits no more
    networks: int = 3  # of one pair; then each of them may pass


def pair_of(sender: str, recipient: str, network: str) -> bytes:
    """Return the key of a pair. The null sender is many senders: there, the network stands for it."""
    text = f"{sender or network}\0{recipient}".lower()
    return blake2b(text.encode(), digest_size=16).digest()


def wait_of(tried: Mapping[str, datetime], network: str, now: datetime, rules: GreylistRules) -> timedelta:
    """Return how long an attempt of `network` still has to wait; zero: it passes. `tried`: first attempts by network."""
    first = {name: at for name, at in tried.items() if now - at <= rules.retry}
    first.setdefault(network, now)
    since = first[network]
    if len(first) >= rules.networks:
        since = min(first.values())
    return max(timedelta(), since + rules.wait - now)
