"""access.json: where to connect and as whom, for people, for tests, for the benchmark."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mailyard.local.layout import write_json
from mailyard.local.ports import HOST, LISTENERS, Ports
from mailyard.runtime.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account for trying Mailyard."""

    address: str
    password: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that a client needs to know."""

    listeners: Mapping[str, Endpoint]
    accounts: tuple[DemoAccount, ...]
    authority: Path

    def write(self, path: Path) -> None:
        """Writes access.json, for its owner only."""
        listeners = {name: endpoint._asdict() for name, endpoint in self.listeners.items()}
        accounts = [asdict(account) for account in self.accounts]
        write_json(path, {**listeners, "accounts": accounts, "ca": str(self.authority)})


def plan_access(ports: Ports, accounts: Sequence[DemoAccount], authority: Path) -> Access:
    """The access to a local Mailyard with these ports."""
    listeners = {name: Endpoint(HOST, ports.listener(name)) for name in LISTENERS}
    return Access(listeners, tuple(accounts), authority)


def read_accounts(path: Path) -> tuple[DemoAccount, ...]:
    """The accounts of an earlier start; none when there was none."""
    if not path.exists():
        return ()
    content: dict[str, Any] = json.loads(path.read_text())
    return tuple(DemoAccount(**account) for account in content["accounts"])
