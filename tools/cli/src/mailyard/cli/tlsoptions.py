"""Options about the certificate of a server, for commands that connect to listeners."""

from pathlib import Path
from typing import Annotated

import typer

CaFile = Annotated[
    Path | None,
    typer.Option(help="File with certificate authorities to trust instead of the system's.", dir_okay=False),
]
TlsName = Annotated[str | None, typer.Option(help="The name in the certificate, if it is not the host name.")]
InsecureTls = Annotated[bool, typer.Option("--insecure-tls", help="Accept any certificate; only for trials.")]
