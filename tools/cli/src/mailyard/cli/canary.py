"""`mailyard canary`: send test messages through the whole system."""

from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import REFUSED
from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.cli.secret import password_in
from mailyard.cli.session import Session, perform
from mailyard.probe.canary import Canary, Flight
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
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="File with certificate authorities to trust instead of the system's.", dir_okay=False
        ),
    ] = None,
    tls_name: Annotated[
        str | None, typer.Option(help="The name in the certificates, if it is not the host name.")
    ] = None,
    insecure_tls: Annotated[
        bool, typer.Option("--insecure-tls", help="Accept any certificate; only for trials.")
    ] = False,
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
    bird = Canary(
        MailServer(submission, trust, tls),
        MailServer(imap, trust, tls),
        Login(account, password_in(password_file)),
        timeout,
    )
    flights: list[Flight] = []
    for flight in bird.fly(echo):
        typer.echo(_line(flight), err=not flight.succeeded)
        flights.append(flight)
    if record:
        perform(context, lambda session: _record(session, flights))
    if not all(flight.succeeded for flight in flights):
        raise typer.Exit(REFUSED)


def _line(flight: Flight) -> str:
    result = "arrived" if flight.succeeded else f"FAILED: {flight.text}"
    return f"{flight.leg:8}{flight.seconds:8.2f} s  {result}"


async def _record(session: Session, flights: list[Flight]) -> None:
    rows = CanaryRows(session.store)
    for flight in flights:
        await rows.record(flight.leg, flight.succeeded, flight.seconds, now_utc())
