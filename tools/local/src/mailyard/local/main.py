"""The command of local mode: `python -m mailyard.local run`."""

import argparse
import asyncio
import sys

from pymongo.errors import PyMongoError
from rich.console import Console

from mailyard.directory.errors import DirectoryError
from mailyard.local.instance import AlreadyRunning
from mailyard.local.ports import PortsTaken
from mailyard.local.processes import StartFailed
from mailyard.local.provision import NotProvided
from mailyard.local.run import NoRoom, Options, run
from mailyard.local.screen import Screen
from mailyard.local.servers import Unreachable
from mailyard.local.settings import LocalSettings
from mailyard.probe.roundtrip import MailLost
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.settings import load_settings

INTERRUPTED = 130
EXPECTED = (
    AlreadyRunning,
    DirectoryError,
    MailLost,
    NoRoom,
    NotProvided,
    OSError,  # names the file that cannot be used
    PortsTaken,
    PyMongoError,  # a store that was named refuses us
    StartFailed,
    Unavailable,
    Unreachable,
)


def main() -> None:
    """Runs Mailyard on this machine; exits 0 when it was stopped or the check passed, 1 when it could not run."""
    parser = argparse.ArgumentParser(
        prog="mailyard-local", description="Runs all of Mailyard on one machine."
    )
    command = parser.add_subparsers(required=True).add_parser("run", help="start everything on loopback")
    command.add_argument("--check", action="store_true", help="stop when one mail has come through")
    command.add_argument("--no-demo-mail", action="store_true", help="do not send a mail at the start")
    arguments = parser.parse_args()
    options = Options(check=arguments.check, demo_mail=not arguments.no_demo_mail)
    sys.exit(_run(load_settings(LocalSettings), options))


def _run(settings: LocalSettings, options: Options) -> int:
    try:
        asyncio.run(run(settings, options, Screen(sys.stdout), Console(highlight=False)))
    except asyncio.CancelledError:
        return INTERRUPTED if options.check else 0
    except EXPECTED as error:
        print(f"\nMailyard does not run: {error}", file=sys.stderr)
        return 1
    if options.check:
        print("Check passed.")
    return 0
