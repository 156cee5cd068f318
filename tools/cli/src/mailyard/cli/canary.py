"""`mailyard canary`: send test messages through the whole system."""

from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import REFUSED
from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.cli.secret import password_in
from mailyard.cli.session import Session, perform
from mailyard.cli.tlsoptions import CaFile, InsecureTls, TlsName
from mailyard.probe.canary import Canary, LegResult
from mailyard.probe.mailserver import Encryption, Login, MailServer, Trust
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint
from mailyard.spool.watch.canary import Canary as CanaryRows


def canary(
    context: typer.Context,
    *,
    submission: Annotated[
        Endpoint,
        typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="Submission listener, with a login."),
    ],
    imap: Annotated[Endpoint, typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="IMAP listener.")],
    account: Annotated[str, typer.Option(help="The account that sends and reads.")],
    password_file: Annotated[
        Path, typer.Option(help="File with the password of the account.", dir_okay=False)
    ],
    tls: Annotated[
        Encryption, typer.Option(help="How both connections are encrypted.")
    ] = Encryption.STARTTLS,
    ca_file: CaFile = None,
    tls_name: TlsName = None,
    insecure_tls: InsecureTls = False,
    echo: Annotated[str | None, typer.Option(help="An address whose host sends the message back.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for each message.", min=1)] = 60.0,
    record: Annotated[
        bool, typer.Option("--record", help="Write the results to MongoDB, for the metrics.")
    ] = False,
) -> None:
    """Send test messages through the whole system and report how long they took.

    Exit status 0 only if all messages arrived. The messages are deleted afterwards.
    """
    trust = Trust(ca_file, tls_name, insecure_tls)
    probe = Canary(
        MailServer(submission, trust, tls),
        MailServer(imap, trust, tls),
        Login(account, password_in(password_file)),
        timeout,
    )
    results: list[LegResult] = []
    for result in probe.run(echo):
        typer.echo(_line(result), err=not result.succeeded)
        results.append(result)
    if record:
        perform(context, lambda session: _record(session, results))
    if not all(result.succeeded for result in results):
        raise typer.Exit(REFUSED)


def _line(result: LegResult) -> str:
    text = "arrived" if result.succeeded else f"FAILED: {result.text}"
    return f"{result.leg:8}{result.seconds:8.2f} s  {text}"


async def _record(session: Session, results: list[LegResult]) -> None:
    rows = CanaryRows(session.store)
    for result in results:
        await rows.record(result.leg, result.succeeded, result.seconds, now_utc())
