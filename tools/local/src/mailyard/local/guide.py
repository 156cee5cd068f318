"""The text that `make run` prints when everything is up: listeners, accounts, logs, and commands that can be pasted."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mailyard.cli.configuration import LOCAL_FILE
from mailyard.local.access import Access
from mailyard.local.layout import Layout
from mailyard.local.ports import HEALTH, HOST, Ports
from mailyard.probe.roundtrip import RoundtripResult

_TITLES = {
    "smtp": "SMTP, from other servers (STARTTLS)",
    "submission": "submission, from users (STARTTLS, login)",
    "submissions": "submission over TLS (login)",
    "lmtp": "LMTP",
    "imap": "IMAP (STARTTLS, login)",
    "imaps": "IMAP over TLS (login)",
}


def show(
    console: Console, access: Access, layout: Layout, ports: Ports, sent: RoundtripResult | None
) -> None:
    """Prints the guide."""
    console.print(_listeners(access))
    console.print(_accounts(access))
    for title, text in _facts(layout, ports, sent):
        console.print(f"{title:16}{text}", soft_wrap=True)
    console.print(f"\nTry next (in another terminal, in this folder{_curl_advice()}):")
    for command in suggestions(access, layout, sent):
        console.print(f"  {command}", soft_wrap=True, highlight=False, markup=False)
    console.print("\nCtrl-C stops everything.")


def _facts(layout: Layout, ports: Ports, sent: RoundtripResult | None) -> Iterator[tuple[str, str]]:
    services = ", ".join(f"{name} {ports.health(name)}" for name in HEALTH)
    yield "health, metrics", f"http://{HOST}:PORT/readyz and /metrics: {services}"
    yield "logs", f"{_near(layout.logs)}/"
    yield "mail and data", f"{_near(layout.root)}/ (kept when Mailyard stops)"
    yield "for programs", f"{_near(layout.access)}, {_near(layout.environment)}"
    if sent is not None:
        route = f"from {sent.sender} to {sent.recipient}"
        yield "tested", f"one mail {route}, {sent.seconds:.2f} s from submission to IMAP"


def suggestions(access: Access, layout: Layout, sent: RoundtripResult | None) -> Sequence[str]:
    """Commands with the real ports, addresses and passwords in them."""
    sender, recipient = access.accounts[0], access.accounts[-1]
    submission, imaps = access.listeners["submission"], access.listeners["imaps"]
    trust = f"--cacert {_near(access.authority)}"
    mailyard = f".venv/bin/mailyard{_configuration(layout)}"
    send = (
        f"printf 'Subject: Hello\\r\\n\\r\\nIt works.\\r\\n' | curl -s {trust} --ssl-reqd"
        f" smtp://{submission.host}:{submission.port} --user {sender.address}:{sender.password}"
        f" --mail-from {sender.address} --mail-rcpt {recipient.address} -T -"
    )
    inbox = f"'imaps://{imaps.host}:{imaps.port}/INBOX;MAILINDEX=*'"
    read = f"curl -s {trust} {inbox} --user {recipient.address}:{recipient.password}"
    return (
        send,
        read,
        f"{mailyard} queue list",
        f"{mailyard} {_trace(sent)}",
    )


def _configuration(layout: Layout) -> str:
    """The command finds the usual folder by itself."""
    near = _near(layout.environment)
    return "" if near == str(LOCAL_FILE) else f" --config {near}"


def _curl_advice() -> str:
    return "" if shutil.which("curl") else "; the first two need curl, which is not installed"


def _trace(sent: RoundtripResult | None) -> str:
    spool_id = sent.spool_id if sent else None
    return f"trace {spool_id}" if spool_id else "ledger"


def _listeners(access: Access) -> Table:
    table = Table("listener", "host", "port", title="Mailyard is up", title_justify="left")
    for name, endpoint in access.listeners.items():
        table.add_row(_TITLES[name], endpoint.host, str(endpoint.port))
    return table


def _accounts(access: Access) -> Table:
    table = Table("account", "password", "tenant")
    for account in access.accounts:
        table.add_row(account.address, account.password, account.tenant)
    return table


def _near(path: Path) -> str:
    """Return the path relative to the current directory where it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
