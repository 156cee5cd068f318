"""One mongod as a replica set of one member on loopback: MongoDB's transactions and change order need a replica set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from mailyard.local.processes import Program

NAME = "mongod"
REPLICA_SET = "mailyard"
_NOT_YET_INITIALIZED = 94


@dataclass(frozen=True, slots=True)
class Mongod:
    """The program with its environment, its data directory and its port."""

    binary: Path
    directory: Path
    port: int
    log: Path
    cache_gigabytes: float = 0.5
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """For MAILYARD_MONGO_URL."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}&directConnection=true"

    def program(self) -> Program:
        """Long transactions end after 10 s: a dead client must not hold up a mailbox for the default minute."""
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = ("transactionLifetimeLimitSeconds=10", "diagnosticDataCollectionEnabled=false")
        options = {
            "--dbpath": str(self.directory),
            "--port": str(self.port),
            "--bind_ip": "127.0.0.1",
            "--replSet": REPLICA_SET,
            "--oplogSize": "512",
            "--wiredTigerCacheSizeGB": str(self.cache_gigabytes),
        }
        argv = [str(self.binary), "--nounixsocket"]
        argv += [word for option in options.items() for word in option]
        argv += [word for setting in settings for word in ("--setParameter", setting)]
        return Program(NAME, tuple(argv), self.log, self.env)

    def not_ready_reason(self) -> str | None:
        """Initiates the replica set on the first start and waits until this member is its primary."""
        try:
            with MongoClient[dict[str, Any]](self._probe_url, serverSelectionTimeoutMS=500) as client:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return None
                return self._join(client)
        except PyMongoError as error:
            return f"no answer on port {self.port} ({type(error).__name__})"

    @property
    def _probe_url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def _join(self, client: MongoClient[dict[str, Any]]) -> str:
        """Change the port in the replica set's configuration when it differs from the one in the data directory."""
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code == _NOT_YET_INITIALIZED:
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
            return "the replica set is being initiated"
        if [one["host"] for one in config["members"]] != [member["host"]]:
            moved = config | {"members": [member], "version": config["version"] + 1}
            client.admin.command("replSetReconfig", moved, force=True)
        return "waiting to become primary"
