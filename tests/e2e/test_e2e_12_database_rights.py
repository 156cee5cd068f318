"""A separate database user for each service: all kinds of mail pass, and no user has more rights than the table."""

import imaplib
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from typer.testing import CliRunner, Result

from mailyard.cli.databaseuser.mongodb import MECHANISMS, privileges
from mailyard.cli.databaseuser.rabbitmq import permissions
from mailyard.cli.databaseuser.rights import COLLECTIONS, RIGHTS
from mailyard.cli.main import app
from mailyard.local.processes import free_port
from mailyard.local.rabbitmq import Rabbitmq
from mailyard.runtime.services import NAMES
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store
from tests.trial.lockedstore import LockedStore, locked_store
from tests.trial.service import LoneService
from tests.trial.waiting import wait_until

DATABASE = "post-1"
PASSWORD = "correct-horse-battery"  # of all mail accounts
SECONDS = 60
_REFUSAL = "Checking authorization failed"  # what mongod logs of each command that a user may not run
SETUP = """
tenants:
  - id: acme
    domains: [acme.test]
    accounts:
      - {address: anna@acme.test, passwordFile: mail}
      - {address: ben@acme.test, passwordFile: mail}
    aliases:
      - {address: team@acme.test, targets: [anna@acme.test, ben@acme.test]}
"""


@dataclass(frozen=True)
class Yard:
    """Services that run, each with a user of its own."""

    store: LockedStore
    folder: Path
    ports: dict[str, int]
    services: dict[str, LoneService]
    amqp_urls: dict[str, str]

    def url(self, service: str) -> str:
        return self.store.url_of(f"mailyard-{service}", f"password-of-{service}", DATABASE)

    def database(self, service: str) -> Any:
        return MongoClient[dict[str, Any]](self.url(service)).get_database(DATABASE)

    def command(
        self, *arguments: str, url: str | None = None, given: str | None = None, database: str = DATABASE
    ) -> Result:
        """The `mailyard` command with the toolbox's user, or with another URL."""
        environment = {
            "MAILYARD_MONGO_URL": url or self.url("toolbox"),
            "MAILYARD_AMQP_URL": self.amqp_urls["toolbox"],
            "MAILYARD_MONGO_DATABASE": database,
        }
        result = CliRunner().invoke(app, list(arguments), env=environment, input=given, prog_name="mailyard")
        assert result.exit_code == 0, result.output
        return result

    def imap(self, login: str) -> imaplib.IMAP4:
        connection = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=SECONDS)
        connection.login(login, PASSWORD)
        return connection

    def subjects(self, login: str) -> list[str]:
        connection = self.imap(login)
        connection.select(readonly=True)
        _, numbers = connection.search(None, "ALL")
        found = []
        for number in numbers[0].split():
            _, parts = connection.fetch(number.decode(), "(BODY.PEEK[])")
            octets = next(part[1] for part in parts if isinstance(part, tuple))
            found += [
                line.partition(b": ")[2].decode()
                for line in octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
                if line.lower().startswith(b"subject:")
            ]
        connection.logout()
        return found

    def arrives(self, login: str, subject: str) -> None:
        wait_until(
            lambda: any(subject in each for each in self.subjects(login)), seconds=SECONDS, what=subject
        )

    def metric(self, service: str, name: str) -> float:
        """The sum over all labels."""
        lines = self.services[service].get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def mail(subject: str, to: str, octets: int = 100, sender: str = "anna@acme.test") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, sender, to
    message["Message-ID"] = f"<{subject.replace(' ', '.')}@acme.test>"
    message.set_content("\n".join("x" * 70 for _ in range(octets // 71 + 1)))
    return message


@pytest.fixture(scope="module")
def yard(
    own_broker: Rabbitmq | None, amqp_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("rights")
    with ExitStack() as stack:
        store = stack.enter_context(locked_store(folder / "mongod"))
        ports = {each: free_port() for each in ("mx", "submission", "imap", "sink")}
        made = Yard(store, folder, ports, {}, broker_users(own_broker, amqp_url))
        prepare(made)
        stack.enter_context(sink(made))
        for service in NAMES:
            environment = {**environment_of(made, service), "MAILYARD_MONGO_URL": made.url(service)}
            made.services[service] = stack.enter_context(LoneService(service, environment, folder))
        wait_until(
            lambda: all(each.get("/readyz")[0] == 200 for each in made.services.values()),
            seconds=SECONDS,
            what="all services ready",
        )
        yield made


def broker_users(broker: Rabbitmq | None, url: str) -> dict[str, str]:
    """URLs of users with the table's permissions; of one user for all where the broker is somebody else's."""
    if broker is None:
        return dict.fromkeys(RIGHTS, url)
    broker.control(["add_vhost", "rights"])
    for rights in RIGHTS.values():
        allowed = permissions(rights)
        broker.control(["add_user", allowed.user, "secret"])
        patterns = [allowed.configure, allowed.write, allowed.read]
        broker.control(["set_permissions", "-p", "rights", allowed.user, *patterns])
    place = broker.vhost_url("rights").rpartition("@")[2]
    return {service: f"amqp://mailyard-{service}:secret@{place}" for service in RIGHTS}


def prepare(yard: Yard) -> None:
    """As an operator does: users first, twice, as an upgrade does; then setup with the toolbox's user."""
    passwords = yard.folder / "passwords"
    passwords.mkdir()
    for service in RIGHTS:
        (passwords / service).write_text(f"password-of-{service}\n")
    for _ in range(2):
        yard.command("database-user", "apply", "--passwords", str(passwords), url=yard.store.url)
    (yard.folder / "mail").write_text(PASSWORD)
    (yard.folder / "setup.yaml").write_text(SETUP)
    yard.command("setup", "--file", str(yard.folder / "setup.yaml"), "--wait", "60")
    yard.command("account", "add", "full@acme.test", "--quota", "20000", "--password-stdin", given=PASSWORD)


def environment_of(yard: Yard, service: str) -> dict[str, str]:
    local = {each: f"127.0.0.1:{yard.ports[each]}" for each in ("mx", "submission", "imap", "sink")}
    own = {
        "smtp-in": {
            "MAILYARD_SMTP_IN_MX_LISTEN": local["mx"],
            "MAILYARD_SMTP_IN_SUBMISSION_LISTEN": local["submission"],
            "MAILYARD_SMTP_IN_PLAINTEXT_AUTH": "loopback",
            "MAILYARD_SMTP_IN_ARGON2_TIME": "3",  # so the login renews the hash
        },
        "imap": {"MAILYARD_IMAP_LISTEN": local["imap"], "MAILYARD_IMAP_ARGON2_TIME": "4"},
        "relay": {"MAILYARD_RELAY_NEXT_HOP": f"smtp://{local['sink']}"},
        "router": {
            f"MAILYARD_ROUTER_{duty}_SECONDS": "1"
            for duty in ("RELEASE", "RECONCILE", "LEDGER", "DEPTH", "BACKLOG", "SWEEP")
        },
    }
    return {
        "MAILYARD_AMQP_URL": yard.amqp_urls[service],
        "MAILYARD_MONGO_DATABASE": DATABASE,
        "MAILYARD_HOSTNAME": "mail.acme.test",
        **own.get(service, {}),
    }


def sink(yard: Yard) -> Any:
    """The outside."""
    stack = ExitStack()
    command = str(Path(sys.executable).with_name("mailyard"))
    kept = str(yard.folder / "sink")
    words = (command, "sink", "--listen", f"127.0.0.1:{yard.ports['sink']}", "--directory", kept)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return stack


def send(yard: Yard, message: EmailMessage, *, login: str | None = None) -> None:
    with smtplib.SMTP("127.0.0.1", yard.ports["submission" if login else "mx"], timeout=SECONDS) as client:
        if login:
            client.login(login, PASSWORD)
        client.send_message(message)


def assert_nothing_was_refused(yard: Yard) -> None:
    for service in yard.services.values():
        lines = [
            line
            for line in service.output().splitlines()
            if any(sign in line for sign in ("not authorized", "Unauthorized", "ACCESS_REFUSED"))
        ]
        assert lines == [], service.name
    refused = [line for line in yard.store.log.read_text().splitlines() if _REFUSAL in line]
    assert refused == []


def test_mail_from_outside_reaches_mailboxes_small_and_large(yard: Yard) -> None:
    send(yard, mail("from outside", "anna@acme.test", sender="x@outside.test"))
    send(yard, mail("one megabyte", "team@acme.test", 1_000_000, sender="x@outside.test"))
    yard.arrives("anna@acme.test", "from outside")
    yard.arrives("anna@acme.test", "one megabyte")
    yard.arrives("ben@acme.test", "one megabyte")
    assert_nothing_was_refused(yard)


def test_submitted_mail_leaves_by_the_relay_and_what_fails_comes_back(yard: Yard) -> None:
    send(yard, mail("to the outside", "x@outside.test", 600_000), login="anna@acme.test")
    send(yard, mail("refused there", "refuse@outside.test"), login="anna@acme.test")
    send(yard, mail("deferred there", "defer@outside.test"), login="anna@acme.test")
    kept = yard.folder / "sink"
    wait_until(
        lambda: any(b"to the outside" in each.read_bytes() for each in kept.rglob("*") if each.is_file()),
        seconds=SECONDS,
        what="mail in the sink",
    )
    yard.arrives("anna@acme.test", "Undelivered mail returned to sender")
    assert_nothing_was_refused(yard)


def test_a_body_that_is_broken_off_is_removed(yard: Yard) -> None:
    chunks = MongoClient[dict[str, Any]](yard.store.url)[DATABASE]["mail.chunks"]
    before = chunks.count_documents({})
    client = smtplib.SMTP("127.0.0.1", yard.ports["mx"], timeout=SECONDS)
    client.ehlo()
    client.mail("x@outside.test")
    client.rcpt("anna@acme.test")
    client.docmd("DATA")
    client.send(b"Subject: half\r\n\r\n" + (b"y" * 70 + b"\r\n") * 20_000)
    wait_until(lambda: chunks.count_documents({}) > before, seconds=SECONDS, what="the first chunks")
    assert client.sock is not None
    client.sock.shutdown(socket.SHUT_RDWR)
    client.close()
    wait_until(lambda: chunks.count_documents({}) == before, seconds=SECONDS, what="the chunks removed")
    assert_nothing_was_refused(yard)


def test_imap_changes_mailboxes_and_messages(yard: Yard) -> None:
    connection = yard.imap("ben@acme.test")
    steps: list[tuple[str, Callable[[], tuple[str, Any]]]] = [
        ("create", lambda: connection.create("Work")),
        ("subscribe", lambda: connection.subscribe("Work")),
        ("small", lambda: connection.append("Work", r"(\Seen)", None, bytes(mail("small", "ben@acme.test")))),  # type: ignore[arg-type]
        (
            "large",
            lambda: connection.append("Work", "", None, bytes(mail("large", "ben@acme.test", 600_000))),  # type: ignore[arg-type]
        ),
        ("select", lambda: connection.select("Work")),
        ("text search", lambda: connection.search(None, "TEXT", "xxxx")),
        ("fetch", lambda: connection.fetch("1:*", "(FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY[TEXT])")),
        ("store", lambda: connection.store("1", "+FLAGS", r"(\Flagged $Work)")),
        ("copy", lambda: connection.copy("1:2", "Archive")),
        ("move", lambda: connection.uid("MOVE", "1", "Trash")),
        ("delete", lambda: connection.store("1:*", "+FLAGS", r"(\Deleted)")),
        ("expunge", connection.expunge),
        ("rename inbox", lambda: connection.rename("INBOX", "Old")),
        ("rename", lambda: connection.rename("Work", "Play")),
        ("status", lambda: connection.status("Play", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")),
        ("close", connection.close),
        ("remove", lambda: connection.delete("Play")),
        ("list", connection.list),
        ("lsub", connection.lsub),
    ]
    for name, step in steps:
        assert (name, step()[0]) == (name, "OK")
    connection.logout()
    send(yard, mail("after the rename", "ben@acme.test", sender="x@outside.test"))
    yard.arrives("ben@acme.test", "after the rename")
    assert_nothing_was_refused(yard)


def test_a_session_in_idle_is_woken(yard: Yard) -> None:
    connection = yard.imap("anna@acme.test")
    connection.select()
    connection.send(b"a1 IDLE\r\n")
    assert connection.readline().startswith(b"+")
    send(yard, mail("wake up", "anna@acme.test", sender="x@outside.test"))
    began = time.monotonic()
    while b"EXISTS" not in connection.readline():
        pass
    assert time.monotonic() - began < 30  # the poll comes after 120 s
    connection.send(b"DONE\r\n")
    while not connection.readline().startswith(b"a1 OK"):
        pass
    connection.logout()
    assert_nothing_was_refused(yard)


def test_a_full_mailbox_is_refused_at_rcpt(yard: Yard) -> None:
    send(yard, mail("the first", "full@acme.test", 15_000, sender="x@outside.test"))
    yard.arrives("full@acme.test", "the first")
    with smtplib.SMTP("127.0.0.1", yard.ports["mx"], timeout=SECONDS) as client:
        client.ehlo()

        def refused() -> bool:
            client.rset()
            client.mail("x@outside.test", ["SIZE=15000"])
            return client.rcpt("full@acme.test")[0] == 452

        wait_until(refused, seconds=SECONDS, what="452, when the usage is read anew")
    assert_nothing_was_refused(yard)


def test_duties_of_the_router_and_the_toolbox_need_no_more(yard: Yard) -> None:
    wait_until(
        lambda: yard.metric("router", "mailyard_ledger_audits_total") > 1, seconds=SECONDS, what="audits"
    )
    arguments = [
        "queue list",
        "queue dead list",
        "ledger",
        "account list --tenant acme",
        "schema",
        "domain list",
    ]
    for each in arguments:
        yard.command(*each.split())
    database = yard.database("canary")
    database["canary"].update_one({"_id": "direct"}, {"$set": {"succeeded": True}}, upsert=True)
    database["canary"].update_one({"_id": "direct"}, {"$set": {"succeeded": False}}, upsert=True)
    assert_nothing_was_refused(yard)


def test_a_suspended_accounts_session_ends_and_a_removed_accounts_mail_is_purged(yard: Yard) -> None:
    login = "gone@acme.test"
    yard.command("account", "add", login, "--password-stdin", given=PASSWORD)
    send(yard, mail("before", login, sender="x@outside.test"))
    yard.arrives(login, "before")
    session = yard.imap(login)
    yard.command("account", "suspend", login)
    with pytest.raises(imaplib.IMAP4.abort):  # BYE, or the end of the connection
        wait_until(lambda: session.noop()[0] != "OK", seconds=SECONDS, what="the end of the session")
    with (
        smtplib.SMTP("127.0.0.1", yard.ports["submission"], timeout=SECONDS) as client,
        pytest.raises(smtplib.SMTPAuthenticationError),
    ):
        client.login(login, PASSWORD)
    yard.command("account", "resume", login)
    wait_until(lambda: logs_in(yard, login), seconds=SECONDS, what="a login of the resumed account")
    database = MongoClient[dict[str, Any]](yard.store.url)[DATABASE]
    account = database["accounts"].find_one({"key": login})
    assert account is not None
    yard.command("account", "remove", login, "--keep-days", "0", "--yes")
    for collection in ("messages", "mailboxes"):
        wait_until(
            lambda name=collection: not database[name].count_documents({"account": account["_id"]}),  # type: ignore[misc]
            seconds=SECONDS,
            what=f"no {collection} of the removed account",
        )
    assert_nothing_was_refused(yard)


def logs_in(yard: Yard, login: str) -> bool:
    try:
        yard.imap(login).logout()
    except imaplib.IMAP4.error:
        return False
    return True


async def test_smtp_in_parks_finishes_and_aborts_bodies(yard: Yard) -> None:
    store = Store(yard.url("smtp-in"), DATABASE)
    try:
        for end in ("finish", "abort"):
            writer = Blobs(store).writer()
            for _ in range(5):
                await writer.write(b"x" * 200_000)
                await writer.park()
            await getattr(writer, end)()
    finally:
        await store.close()
    assert_nothing_was_refused(yard)


def test_a_service_waits_until_its_user_is_made(yard: Yard, tmp_path: Path) -> None:
    """As at a first install, where the pods start beside the setup job."""
    database = "post-2"
    url = yard.store.url_of("mailyard-relay", "password-of-relay", database)
    environment = environment_of(yard, "relay") | {
        "MAILYARD_MONGO_URL": url,
        "MAILYARD_MONGO_DATABASE": database,
    }
    with LoneService("relay", environment, tmp_path) as relay:
        wait_until(lambda: "authentication failed" in relay.output(), seconds=SECONDS, what="a refused login")
        assert relay.get("/readyz")[0] != 200
        passwords = str(yard.folder / "passwords")
        words = ("database-user", "apply", "--service", "relay", "--passwords", passwords)
        yard.command(*words, url=yard.store.url, database=database)
        wait_until(lambda: relay.get("/readyz")[0] == 200, seconds=SECONDS, what="relay ready")


def test_a_user_without_the_right_makes_no_users_and_gets_the_name_of_the_right(yard: Yard) -> None:
    environment = {"MAILYARD_MONGO_URL": yard.url("toolbox"), "MAILYARD_MONGO_DATABASE": DATABASE}
    words = ["database-user", "apply", "--passwords", str(yard.folder / "passwords")]
    refused = CliRunner().invoke(app, words, env=environment, prog_name="mailyard")
    assert refused.exit_code == 1
    assert "use a user with the role userAdmin on that database" in refused.stderr
    assert "password-of" not in refused.output


def test_the_table_knows_every_collection(yard: Yard) -> None:
    found = MongoClient[dict[str, Any]](yard.store.url)[DATABASE].list_collection_names()
    assert {name for name in found if not name.startswith("system.")} <= set(COLLECTIONS)


def test_a_repeated_apply_leaves_exactly_the_rights_of_the_table(yard: Yard) -> None:
    database = MongoClient[dict[str, Any]](yard.store.url)[DATABASE]
    for rights in RIGHTS.values():
        found = database.command("rolesInfo", rights.user, showPrivileges=True)["roles"][0]
        wanted = privileges(rights, DATABASE)
        assert found["inheritedRoles"] == []
        assert _as_set(found["privileges"]) == _as_set(wanted)
        user = database.command("usersInfo", rights.user)["users"][0]
        assert (user["roles"], user["mechanisms"]) == ([{"role": rights.user, "db": DATABASE}], MECHANISMS)


def _as_set(privileges: list[dict[str, Any]]) -> set[tuple[str, str, frozenset[str]]]:
    return {
        (each["resource"]["db"], each["resource"]["collection"], frozenset(each["actions"]))
        for each in privileges
    }


FORBIDDEN: dict[str, tuple[dict[str, Any], ...]] = {
    "smtp-in": (
        {"find": "messages"},
        {"find": "mail.chunks"},
        {"update": "mail.chunks", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]},
        {"find": "mailbox_accounts"},
        {"find": "removed_accounts"},
        {"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]},
        {"insert": "accounts", "documents": [{"x": 1}]},
        {"update": "spool", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]},
        {"delete": "spool", "deletes": [{"q": {}, "limit": 0}]},
        {
            "aggregate": "mailboxes",
            "pipeline": [{"$lookup": {"from": "messages", "as": "x", "pipeline": []}}],
            "cursor": {},
        },
    ),
    "router": (
        {"find": "mailboxes"},
        {"update": "accounts", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]},
        {"update": "messages", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]},
    ),
    "filter": (
        {"find": "accounts"},
        {"find": "messages"},
        {"find": "spool"},
        {"delete": "mail.chunks", "deletes": [{"q": {}, "limit": 0}]},
    ),
    "delivery": (
        {"find": "spool"},
        {"update": "accounts", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]},
        {"delete": "messages", "deletes": [{"q": {}, "limit": 0}]},
        {"delete": "mailboxes", "deletes": [{"q": {}, "limit": 0}]},
    ),
    "relay": (
        {"find": "accounts"},
        {"find": "messages"},
        {"find": "addresses"},
        {"insert": "spool", "documents": [{"x": 1}]},
    ),
    "imap": (
        {"find": "spool"},
        {"insert": "spool", "documents": [{"x": 1}]},
        {"find": "removed_accounts"},
        {"delete": "messages", "deletes": [{"q": {}, "limit": 0}]},
        {"insert": "accounts", "documents": [{"x": 1}]},
    ),
    "canary": ({"find": "canary"}, {"find": "accounts"}),
    "toolbox": ({"createUser": "x", "pwd": "x", "roles": []}, {"dropDatabase": 1}),
}
ANYBODY = (
    {"dropDatabase": 1},
    {"listCollections": 1},
    {"createIndexes": "messages", "indexes": [{"key": {"x": 1}, "name": "x"}]},
    {"drop": "messages"},
    {"createUser": "x", "pwd": "x", "roles": []},
    {"updateUser": "mailyard-toolbox", "pwd": "x"},
    {"usersInfo": "mailyard-toolbox", "showCredentials": True},
)


@pytest.mark.parametrize("service", FORBIDDEN)
def test_no_user_may_do_more(yard: Yard, service: str) -> None:
    database = yard.database(service)
    for command in (*FORBIDDEN[service], *(ANYBODY if service != "toolbox" else ())):
        with pytest.raises(OperationFailure) as refused:
            database.command(command)
        assert refused.value.code == 13, command


def test_other_databases_are_closed_to_every_user(yard: Yard) -> None:
    for service in RIGHTS:
        client = MongoClient[dict[str, Any]](yard.url(service))
        for other in ("admin", "config", "another"):
            with pytest.raises(OperationFailure) as refused:
                client[other]["system.users" if other == "admin" else "x"].find_one()
            assert refused.value.code == 13
