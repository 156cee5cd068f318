"""The permissions of a service's user in RabbitMQ.

A process declares all exchanges and queues when it connects. RabbitMQ asks for the right to configure each of them
then, to write to each queue and to read from each exchange (to bind them), whether they exist or not. So every service
has these rights. What differs is where it may publish and what it may consume.
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from mailyard.broker.pipeline import Queue
from mailyard.broker.topology import EVENTS_EXCHANGE
from mailyard.cli.databaseuser.rights import ServiceRights

_QUEUES = tuple(queue.value for queue in Queue)
_EXCHANGES = (*dict.fromkeys(queue.exchange for queue in Queue), EVENTS_EXCHANGE)
_NAMED_BY_BROKER = r"amq\.gen-.*"  # a queue that is declared without a name


@dataclass(frozen=True, slots=True)
class Permissions:
    """Regular expressions for the names of exchanges and queues, as `rabbitmqctl set_permissions` takes them."""

    user: str
    configure: str
    write: str
    read: str


def permissions(rights: ServiceRights) -> Permissions:
    """Return the patterns of the names that a service may configure, write and read."""
    own = [_NAMED_BY_BROKER] if rights.receives_events else []
    return Permissions(
        rights.user,
        _expression([*_QUEUES, *_EXCHANGES], own),
        _expression([*_QUEUES, *rights.publishes], own),
        _expression([*rights.consumes, *_EXCHANGES], own),
    )


def as_rabbitmqctl(allowed: Permissions, vhost: str) -> str:
    """Write the commands; `add_user` asks for the password."""
    words = ["set_permissions", "-p", vhost, allowed.user, allowed.configure, allowed.write, allowed.read]
    return f"rabbitmqctl add_user {allowed.user}\nrabbitmqctl {shlex.join(words)}"


def _expression(names: Iterable[str], patterns: Iterable[str]) -> str:
    quoted = [re.escape(name).replace(r"\-", "-") for name in dict.fromkeys(names)]
    return f"^({'|'.join([*quoted, *patterns])})$"
