"""`python -m tests.hostile.client SMTP_PORT IMAP_PORT ACCOUNT`: the normal client, in a separate process.

It sends a mail and reads it, again and again, each over new connections, until it is killed. Each step prints one line:
the seconds that it took, or `FAILED` and the reason.
"""

import asyncio
import sys
import time

from tests.trial.accounts import PASSWORD
from tests.trial.imap import ImapConnection, ImapFailed
from tests.trial.smtp import ConnectionEnded, Outcome, SmtpConnection

FAILED = "FAILED "
PAUSE_SECONDS = 0.1


async def serve_itself(smtp: int, imap: int, account: str) -> None:
    """Send and read for ever."""
    while True:
        for name, step in (("send", _send(smtp, account)), ("read", _read(imap, account))):
            begun = time.monotonic()
            try:
                await step
                _write(f"{time.monotonic() - begun:.4f}")
            except (ConnectionEnded, ImapFailed, OSError) as error:
                _write(f"{FAILED}{name}: {error}")
        await asyncio.sleep(PAUSE_SECONDS)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _send(port: int, account: str) -> None:
    connection = await SmtpConnection.open("127.0.0.1", port)
    try:
        result = await connection.send("peace@sender.test", [account], b"Subject: peace\r\n\r\nx\r\n")
    finally:
        await connection.close()
    if result.outcome is not Outcome.ACKNOWLEDGED:
        raise ConnectionEnded(f"{result.outcome}: {result.reply}")


async def _read(port: int, account: str) -> None:
    connection = await ImapConnection.open("127.0.0.1", port, account, PASSWORD)
    try:
        selected = await connection.select()
        if selected.exists:
            await connection.command(f"FETCH {selected.exists} (FLAGS ENVELOPE)")
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(serve_itself(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
