"""Memory while large mails pass: 20 mails of 25 MB at once by SMTP, then all at once by IMAP; the peak of each service.

Run: python -m bench.memory
Exit code 0 when every service stays within the limit. Broker and store are shown, their memory is their setting.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.peers.processes import UsageMeter
from bench.peers.systems.mailyard_local import MailyardLocal
from mailyard.local.ports import HEALTH
from tests.trial import accounts
from tests.trial.imap import ImapConnection
from tests.trial.smtp import Outcome, SmtpConnection

MAILS = 20
MAIL_BYTES = 25 * 2**20
LIMIT_BYTES = 150 * 2**20
DRAIN_SECONDS = 300
LINE = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n"
HEAD = (
    b"From: ada@load.test\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start, send, wait, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--directory", default="var/bench/memory", help="where Mailyard keeps its data")
    directory = Path(parser.parse_args(arguments).directory)
    mailyard = MailyardLocal(directory, MAILS, port_base=11_000)
    try:
        mailyard.start()
        with UsageMeter(mailyard.process_roots) as meter:
            seconds = asyncio.run(_send_all(mailyard))
            _wait_until_delivered(mailyard)
            read = asyncio.run(_read_all(mailyard))
            peaks = meter.finish().peak_rss_bytes
    finally:
        mailyard.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(
        f"{MAILS} mails of {MAIL_BYTES / 2**20:.0f} MiB at once, accepted in {seconds:.1f} s; {read / 2**20:.0f} MiB read"
    )
    return _report(peaks)


def _report(peaks: Mapping[str, int]) -> int:
    """Print the peaks, services first; 1 when a service is above the limit."""
    above = [name for name in HEALTH if peaks.get(name, 0) > LIMIT_BYTES]
    for name, peak in sorted(peaks.items(), key=lambda item: (item[0] not in HEALTH, -item[1])):
        goal = (
            f"<= {LIMIT_BYTES // 2**20} MiB {'MISSED' if name in above else 'met'}" if name in HEALTH else ""
        )
        print(f"  {name:<24} {peak / 2**20:7.0f} MiB peak   {goal}")
    return 1 if above else 0


async def _send_all(mailyard: MailyardLocal) -> float:
    """One connection for each mail, all at the same time; seconds until the last is acknowledged."""
    begun = time.monotonic()
    octets = HEAD + LINE * ((MAIL_BYTES - len(HEAD)) // len(LINE))
    outcomes = await asyncio.gather(*(_send(mailyard, one, octets) for one in mailyard.recipients()))
    refused = [outcome for outcome in outcomes if outcome is not Outcome.ACKNOWLEDGED]
    if refused:
        raise SystemExit(f"{len(refused)} of {MAILS} mails were not taken: {refused[0].value}")
    return time.monotonic() - begun


async def _send(mailyard: MailyardLocal, recipient: str, octets: bytes) -> Outcome:
    connection = await SmtpConnection.open(*mailyard.smtp())
    connection.limit_seconds = DRAIN_SECONDS
    try:
        return (await connection.send("ada@load.test", [recipient], octets)).outcome
    finally:
        await connection.close()


async def _read_all(mailyard: MailyardLocal) -> int:
    """Every mail whole, all accounts at the same time; octets in all."""
    return sum(await asyncio.gather(*(_read(mailyard, one) for one in mailyard.recipients())))


async def _read(mailyard: MailyardLocal, login: str) -> int:
    connection = await ImapConnection.open(*mailyard.imap(), login, accounts.PASSWORD)
    connection.limit_seconds = DRAIN_SECONDS
    try:
        await connection.select(examine=True)
        return sum([len(octets) async for _, octets in connection.bodies("1:*")])
    finally:
        await connection.close()


def _wait_until_delivered(mailyard: MailyardLocal) -> None:
    limit = time.monotonic() + DRAIN_SECONDS
    while mailyard.delivered() < MAILS:
        if time.monotonic() > limit:
            raise SystemExit(f"only {mailyard.delivered()} of {MAILS} mails arrived")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
