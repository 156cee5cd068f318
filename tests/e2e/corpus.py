"""Sample mails of others: Python's test suite and the mail-parser project. They are read from their folder, or fetched once."""

import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from mailyard.local.debian import package_tree
from mailyard.local.paths import VAR
from mailyard.local.pip import PipFailed, find_pip

PYTHON_SAMPLES = "usr/lib/python3*/test/test_email/data"  # package libpython3.11-testsuite
DOWNLOAD_SECONDS = 180


class NotAvailable(Exception):
    """The samples are not on this machine and could not be fetched; the text says why."""


def python_samples() -> list[tuple[str, bytes]]:
    """Name and octets of every mail in test_email/data; raises NotAvailable."""
    roots = (Path("/"), package_tree(VAR).root)
    own = Path(sysconfig.get_path("stdlib")) / "test/test_email/data"
    for folder in (*(folder for root in roots for folder in root.glob(PYTHON_SAMPLES)), own):
        found = sorted(folder.glob("msg_*.txt"))
        if found:
            return [(path.name, path.read_bytes()) for path in found]
    raise NotAvailable("no test_email/data here: apt-get install libpython3.11-testsuite")


def mail_parser_samples() -> list[tuple[str, bytes]]:
    """Name and octets of every mail in the source distribution's tests/mails; raises NotAvailable."""
    with tarfile.open(_mail_parser_archive()) as archive:
        files = [one for one in archive.getmembers() if one.isfile() and "/tests/mails/" in one.name]
        readers = ((Path(one.name).name, archive.extractfile(one)) for one in files)
        return sorted((name, reader.read()) for name, reader in readers if reader is not None)


def _mail_parser_archive() -> Path:
    cache = VAR / "cache/mail-parser"
    if not list(cache.glob("mail*parser-*.tar.gz")):
        cache.mkdir(parents=True, exist_ok=True)
        _download(cache)
    return next(cache.glob("mail*parser-*.tar.gz"))


def _download(folder: Path) -> None:
    command = (
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        "mail-parser",
        "--dest",
        str(folder),
        "mail-parser",
    )
    try:
        done = subprocess.run(
            (sys.executable, "-m", "pip", *command),
            env=find_pip(VAR).env,
            capture_output=True,
            text=True,
            check=False,
            timeout=DOWNLOAD_SECONDS,
        )
    except (PipFailed, subprocess.TimeoutExpired) as error:
        raise NotAvailable(f"mail-parser could not be fetched: {error}") from error
    if done.returncode != 0:
        raise NotAvailable(f"mail-parser could not be fetched: {done.stderr.strip()[-300:]}")
