"""`mailyard sink`: accept all outbound mail of a trial, and send echoes."""

import asyncio
import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import MISCONFIGURED, fail
from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.probe.boxes import Box, Counter, Directory
from mailyard.probe.echo import Echoer, send_echo
from mailyard.probe.sink import Sink
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.logs import configure_logs, get_logger


def sink(
    listen: Annotated[
        Endpoint, typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="Address of the SMTP listener.")
    ],
    echo_to: Annotated[
        Endpoint | None,
        typer.Option(
            parser=parse_endpoint,
            metavar=HOST_PORT,
            help="MX listener to which mail for `echo` is sent back.",
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(help="Folder for the mails; without it they are only counted.", file_okay=False),
    ] = None,
) -> None:
    """Accept all mail, for every domain, until stopped.

    Recipients that begin with `refuse` get 550, and those that begin with `defer` get 451. The sink has no login and no
    limits: let only Mailyard's relay reach it.
    """
    configure_logs("sink")
    try:
        asyncio.run(_serve(Directory(directory) if directory else Counter(), listen, echo_to))
    except OSError as error:
        fail(f"the sink cannot run: {error}", MISCONFIGURED)


async def _serve(box: Box, listen: Endpoint, echo_to: Endpoint | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if echo_to is not None:
            box = await stack.enter_async_context(Echoer(box, partial(send_echo, echo_to)))
        running = await stack.enter_async_context(Sink(box, host=listen.host, port=listen.port))
        get_logger(__name__).info("sink.listening", host=listen.host, port=running.port)
        await stop.wait()
