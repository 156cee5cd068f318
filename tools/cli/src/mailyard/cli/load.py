"""`mailyard load`: send many mails at a fixed rate and count the replies."""

from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import REFUSED
from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.cli.secret import password_in
from mailyard.cli.tlsoptions import CaFile, InsecureTls, TlsName
from mailyard.probe.load import Load, Plan, Report
from mailyard.probe.mailserver import Encryption, Login, MailServer, Trust
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint

_REASONS_SHOWN = 5


def load(
    *,
    recipient: Annotated[
        list[str], typer.Option(help="Recipient; may be repeated, the mails go to each in turn.")
    ],
    mx: Annotated[
        Endpoint | None,
        typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="MX listener, without a login."),
    ] = None,
    submission: Annotated[
        Endpoint | None,
        typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="Submission listener, with a login."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="The account that submits.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password of the account.", dir_okay=False)
    ] = None,
    sender: Annotated[str, typer.Option(help="Reverse-path for --mx.")] = "load@load.test",
    mails: Annotated[int, typer.Option(help="Number of mails.", min=1, max=1_000_000)] = 1_000,
    rate: Annotated[float, typer.Option(help="Mails per second.", min=0.01, max=10_000)] = 50.0,
    connections: Annotated[int, typer.Option(help="Number of connections.", min=1, max=200)] = 10,
    seconds: Annotated[
        float, typer.Option(help="Seconds after which no further mail is sent.", min=1, max=86_400)
    ] = 600.0,
    size: Annotated[int, typer.Option(help="Octets of text in each mail.", min=1, max=25_000_000)] = 4_000,
    tls: Annotated[Encryption, typer.Option(help="How the connections are encrypted.")] = Encryption.STARTTLS,
    ca_file: CaFile = None,
    tls_name: TlsName = None,
    insecure_tls: InsecureTls = False,
) -> None:
    """Send many mails to your own Mailyard: to its MX listener, or to submission with a login.

    Exit status 0 only if all mails were accepted.
    """
    login = _login(mx, submission, account, password_file)
    server = mx or submission
    assert server is not None
    plan = Plan(
        mails=mails,
        per_second=rate,
        connections=connections,
        seconds=seconds,
        sender=login.address if login else sender,
        recipients=recipient,
        octets=size,
        login=login,
    )
    report = Load(MailServer(server, Trust(ca_file, tls_name, insecure_tls), tls), plan, now_utc).run()
    typer.echo(_table(report))
    if report.accepted != mails:
        raise typer.Exit(REFUSED)


def _login(
    mx: Endpoint | None, submission: Endpoint | None, account: str | None, password_file: Path | None
) -> Login | None:
    """Return the login; submission needs one and the MX listener must not have one."""
    if (mx is None) == (submission is None):
        raise typer.BadParameter("use either --mx or --submission")
    if mx is not None:
        if account or password_file:
            raise typer.BadParameter("--mx has no login: use --submission with --account")
        return None
    if account is None or password_file is None:
        raise typer.BadParameter("--submission needs --account and --password-file")
    return Login(account, password_in(password_file))


def _table(report: Report) -> str:
    speed = report.accepted / report.seconds
    half, most, every = (report.latency(share) for share in (0.5, 0.95, 1))
    lines = [
        f"accepted  {report.accepted}  ({speed:.1f} a second for {report.seconds:.1f} s)",
        f"refused   {report.refused}",
        f"failed    {report.failed}",
        f"unsent    {report.unsent}",
        f"answered  p50 {half:.3f} s, p95 {most:.3f} s, maximum {every:.3f} s",
    ]
    lines += [f"{count:8}x {text}" for text, count in report.reasons()[:_REASONS_SHOWN]]
    return "\n".join(lines)
