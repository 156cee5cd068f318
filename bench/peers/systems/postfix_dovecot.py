"""The peer: Debian's Postfix, which delivers to Dovecot by LMTP, private configuration, loopback, default fsync.

Nothing under /etc is read or written. Postfix needs root to start its daemons, so this needs root.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.peers.systems import dovecot_settings, postfix_settings
from bench.peers.systems.system import SystemFailed

DOMAIN = "bench.test"
START_LIMIT_SECONDS = 20


class PostfixDovecot:
    """Postfix and Dovecot under one directory; implements System."""

    name = "postfix+dovecot"

    def __init__(self, directory: Path, mailboxes: int, port: int = 11025) -> None:
        self._directory = directory.resolve()
        self._users = tuple(f"user{number:02d}" for number in range(mailboxes))
        self._port = port
        self._postfix = self._directory / "postfix"
        self._dovecot = self._directory / "dovecot"

    def start(self) -> None:
        """Write both configurations and start both, with empty mailboxes."""
        if os.geteuid() != 0:
            raise SystemFailed("Postfix starts as root only: run `make bench` as root")
        for program in ("postfix", "postmap", "dovecot"):
            if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
                raise SystemFailed(f"{program} is missing: apt-get install postfix dovecot-lmtpd")
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True, mode=0o755)
        dovecot_settings.write(self._dovecot, DOMAIN, self._users, lmtp_owner="postfix")
        postfix_settings.write(self._postfix, DOMAIN, self._users, self._port, self._lmtp_socket)
        _run(self._directory / "dovecot.start", "dovecot", "-c", str(self._dovecot / "dovecot.conf"))
        _wait_for(self._lmtp_socket.exists, f"Dovecot does not listen, see {self._dovecot}/dovecot.log")
        _run(self._directory / "postfix.start", "postfix", "-c", str(self._postfix / "etc"), "start")
        _wait_for(self._postfix_pid.exists, f"Postfix does not run, see {self._postfix}/log/mail.log")

    def stop(self) -> None:
        """End both masters, which end their children."""
        for pid in self.process_roots():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        _wait_for(lambda: not self.process_roots(), "Postfix or Dovecot does not stop")

    def smtp(self) -> tuple[str, int]:
        """Where smtpd listens."""
        return "127.0.0.1", self._port

    def recipients(self) -> tuple[str, ...]:
        """One address for each Maildir."""
        return tuple(f"{user}@{DOMAIN}" for user in self._users)

    def before_run(self) -> None:
        """Empty the Maildirs: the peer always works on small directories."""
        for user in self._users:
            shutil.rmtree(self._dovecot / "mail" / user, ignore_errors=True)
        os.sync()

    def delivered(self) -> int:
        """Files in `new` of each Maildir: Dovecot's LMTP moves a mail there when it is safe."""
        return sum(_entries(self._dovecot / "mail" / user / "new") for user in self._users)

    def visible(self) -> int:
        """A Maildir shows what lies in it."""
        return self.delivered()

    def process_roots(self) -> Mapping[int, str]:
        """Both masters, when they live."""
        found = {"postfix": self._postfix_pid, "dovecot": self._dovecot / "run" / "master.pid"}
        return {pid: name for name, file in found.items() if (pid := _living_pid(file)) is not None}

    @property
    def _lmtp_socket(self) -> Path:
        return self._dovecot / "lmtp" / "socket"

    @property
    def _postfix_pid(self) -> Path:
        return self._postfix / "queue" / "pid" / "master.pid"


def _living_pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    return pid


def _entries(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(1 for _ in entries)
    except FileNotFoundError:
        return 0


def _run(output: Path, *command: str) -> None:
    """Run a command that leaves daemons behind; its output goes to a file, as a pipe would stay open."""
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with output.open("w") as said:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            check=False,
            timeout=60,
        )
    if done.returncode != 0:
        raise SystemFailed(f"{' '.join(command)} failed: {output.read_text().strip()}")


def _wait_for(condition: Callable[[], bool], problem: str) -> None:
    limit = time.monotonic() + START_LIMIT_SECONDS
    while not condition():
        if time.monotonic() > limit:
            raise SystemFailed(problem)
        time.sleep(0.05)
