"""A MongoDB that requires a password: a replica set of one member with a key file."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailyard.cli.replicaset.initiation import Initiation, Wanted, until_complete
from mailyard.local import provision
from mailyard.local.paths import VAR
from mailyard.local.processes import Program, free_port, start
from mailyard.runtime.endpoint import Endpoint

ADMINISTRATOR = "mailyard"
START_SECONDS = 90
_OPTIONS = (
    "--nounixsocket --bind_ip 127.0.0.1 --replSet rs0 --oplogSize 64 --wiredTigerCacheSizeGB 0.25 "
    "--setParameter diagnosticDataCollectionEnabled=false"
)


@dataclass(frozen=True, slots=True)
class LockedStore:
    """Where it listens, its first user, and its log."""

    endpoint: Endpoint
    password: str
    log: Path

    @property
    def url(self) -> str:
        """For its first user, who may do everything."""
        return self.url_of(ADMINISTRATOR, self.password, "admin")

    def url_of(self, user: str, password: str, database: str) -> str:
        """For a user that is kept in a database."""
        return f"mongodb://{user}:{password}@{self.endpoint}/?replicaSet=rs0&authSource={database}"


@contextmanager
def locked_store(folder: Path) -> Iterator[LockedStore]:
    """Run one, and end it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    key, data = folder / "key", folder / "data"
    key.write_text("a2V5IG9mIGEgdGVzdA==")
    key.chmod(0o600)
    data.mkdir()
    found = provision.mongod(VAR)
    store = LockedStore(Endpoint("127.0.0.1", free_port()), secrets.token_hex(8), folder / "mongod.log")
    words = f"{_OPTIONS} --port {store.endpoint.port} --dbpath {data} --keyFile {key}".split()
    process = start(Program("mongod", (str(found.binary), *words), store.log, found.env))
    try:
        wanted = Wanted("rs0", (store.endpoint,), ADMINISTRATOR, store.password)
        deadline = time.monotonic() + START_SECONDS
        missing = until_complete(
            Initiation(wanted, store.endpoint, store.endpoint),
            lambda: time.monotonic() > deadline,
            lambda: time.sleep(0.2),
            lambda _: None,
        )
        assert missing is None, missing
        yield store
    finally:
        process.kill()  # nobody needs its data: an orderly end waits for an election
        process.wait(20)
