"""The connection to MongoDB: one client for each process, and the errors of an unreachable store.

Every write through `Store.db` is acknowledged by a majority and journaled: an acknowledged write survives the loss of
the primary. Driver errors that are temporary become `Unavailable`.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidURI, OperationFailure
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

from mailyard.runtime.backoff import Backoff
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.store.refusals import REFUSED_LOGIN, REFUSED_RIGHT, note_refusal
from mailyard.store.watch import ConnectionWatch

Row = dict[str, Any]
Collection = AsyncCollection[Row]

UTC_AWARE: CodecOptions[Row] = CodecOptions(tz_aware=True)
DURABLE = WriteConcern(w="majority", j=True)
MAJORITY = ReadConcern("majority")

# Temporary server errors, beyond those that the driver retries itself: step-downs, shutdowns,
# full disks and write concern time-outs.
_PASSING_CODES = frozenset(
    {6, 7, 64, 89, 91, 112, 133, 134, 189, 202, 246, 251, 262, 290, 9001, 10107, 11600, 11602, 14031}
)
_PASSING_LABELS = ("RetryableWriteError", "TransientTransactionError", "UnknownTransactionCommitResult")
DUPLICATE_KEY = 11_000
# The hint for a change of listed rows on a condition: the planner may prefer an index of the condition, and read all of it.
BY_ID = [("_id", 1)]
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_CHECK_SECONDS = 10.0  # while a refused login is remembered; less than it is remembered for
LISTENERS: list[CommandListener] = []  # of each client that is made from now on; tests watch the commands
_UNAVAILABLE = counter("mailyard_store_unavailable_total")


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Turn driver errors that are temporary, or that an operator can end, into `Unavailable`; others are raised unchanged.

    Raises:
        Unavailable: no server was reachable, the one that was could not write now, or it refused the login or a right.

    """
    try:
        yield
    except (ConnectionFailure, OperationFailure) as error:
        reason = _reason(error)
        if reason is None:
            raise
        _UNAVAILABLE.inc()
        raise Unavailable(reason) from error


def _reason(error: ConnectionFailure | OperationFailure) -> str | None:
    """Return why the store cannot be used now; None for an error that neither time nor an operator ends."""
    brief = str(error).partition(", Topology Description")[0][:300]
    if isinstance(error, ConnectionFailure):
        return f"MongoDB is unreachable: {brief}"
    if error.code in _PASSING_CODES or any(map(error.has_error_label, _PASSING_LABELS)):
        return f"MongoDB cannot write now: {brief}"
    return note_refusal(error.code, str(error))


class Store:
    """A connected MongoDB database (a `Component`: start waits until the server answers)."""

    name = "store"

    def __init__(self, url: str, database: str, *, timeout_ms: int = 10_000) -> None:
        """Prepare a client; nothing is connected before `start`.

        Args:
            url: a MongoDB connection string.
            database: name of the database that holds everything.
            timeout_ms: limit on finding a server and on each socket operation.

        """
        self._url = url
        self._database = database
        self._timeout_ms = timeout_ms
        self._client: AsyncMongoClient[Row] | None = None
        self._answered = False
        self._checking: asyncio.Task[None] | None = None
        self.has_one_log = False  # one replica set, not shards behind a mongos; unknown before `start`
        self._log = get_logger("store")

    @property
    def client(self) -> AsyncMongoClient[Row]:
        """The client of the running loop. Raises Misconfigured for a URL that is none."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> AsyncMongoClient[Row]:
        try:
            return AsyncMongoClient(
                self._url,
                tz_aware=True,
                serverSelectionTimeoutMS=self._timeout_ms,
                connectTimeoutMS=self._timeout_ms,
                socketTimeoutMS=self._timeout_ms * 3,
                retryWrites=True,
                appname="mailyard",
                maxPoolSize=64,
                event_listeners=[ConnectionWatch(), *LISTENERS],
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:  # its text never shows the password
            raise Misconfigured(f"MAILYARD_MONGO_URL is not a MongoDB connection string: {error}") from None

    @property
    def db(self) -> AsyncDatabase[Row]:
        """The database; writes are majority-acknowledged and journaled, reads come from the primary."""
        return self.client.get_database(
            self._database,
            write_concern=DURABLE,
            read_preference=ReadPreference.PRIMARY,
            codec_options=UTC_AWARE,
        )

    def collection(self, name: str) -> Collection:
        """One collection of the database, durable."""
        return self.db.get_collection(name)

    async def ping(self) -> None:
        """Ask the server for an answer.

        Raises:
            Unavailable: it gave none.

        """
        with unavailable_when_away():
            await self.db.command("ping")

    async def start(self) -> None:
        """Wait until the server answers and is a replica set member, telling the log why it does not.

        A new server gets its users late, so a refused login is tried again like an unreachable server.
        """
        backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await self.ping()
                await self._require_replica_set()
                self._answered = True
                REFUSED_LOGIN.forget()
                self._checking = asyncio.create_task(self._check_login(), name="store-login")
                return
            except Unavailable as error:
                self._log.warning("store.unavailable", error=str(error), retry_seconds=backoff.seconds)
                await backoff.wait()

    async def _check_login(self) -> None:
        """Keep a refused login in memory for as long as it lasts, also where nothing else is asked of the server."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if REFUSED_LOGIN.current() is not None:
                with contextlib.suppress(Unavailable):  # `ping` has noted the refusal
                    await self.ping()

    async def _require_replica_set(self) -> None:
        with unavailable_when_away():
            hello = await self.db.command("hello")
        self.has_one_log = "setName" in hello
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise Misconfigured(
                "MongoDB runs as a stand-alone server; Mailyard needs transactions. "
                "Start it with --replSet rs0 and run rs.initiate() once, a set of one member is enough."
            )

    def not_ready_reason(self) -> str | None:
        """Why nothing can be stored, or None. A server that is unreachable for a while is no reason: mail waits."""
        return REFUSED_LOGIN.current() if self._answered else "MongoDB has not answered yet"

    def degraded(self) -> str | None:
        """Say which right the user lacks, or None: what needs it does not work, and its mail waits."""
        return REFUSED_RIGHT.current()

    async def drain(self) -> None:
        """Nothing is in hand here."""

    async def close(self) -> None:
        """Close every connection."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait((self._checking,))
            self._checking = None
        if self._client is not None:
            await self._client.close()
            self._client = None
