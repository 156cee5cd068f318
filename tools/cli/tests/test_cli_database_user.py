"""The rights of each service's user, and what the command prints. The rights themselves are tried in tests/e2e."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mailyard.broker.pipeline import Queue, stages_of
from mailyard.broker.topology import EVENTS_EXCHANGE
from mailyard.cli.databaseuser.mongodb import privileges
from mailyard.cli.databaseuser.rabbitmq import permissions
from mailyard.cli.databaseuser.reference import PAGE, page
from mailyard.cli.databaseuser.rights import CHUNKS, COLLECTIONS, RIGHTS
from mailyard.cli.main import app
from mailyard.local.paths import REPOSITORY
from mailyard.runtime.services import NAMES

SERVERS = {
    "MAILYARD_MONGO_URL": "mongodb://127.0.0.1:9/",
    "MAILYARD_MONGO_DATABASE": "post 1",
    "MAILYARD_AMQP_URL": "amqp://broker/mail%2F1",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["database-user", *arguments], env=SERVERS, prog_name="mailyard")


def printed(*arguments: str) -> dict:
    result = run("print", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def collections_of(module: Path) -> Iterator[str]:
    """Names of collections that a module asks a store for by a constant."""
    tree = ast.parse(module.read_text())
    names = {
        call.args[0].id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"collection", "get_collection"}
        and call.args
        and isinstance(call.args[0], ast.Name)
    }
    if names:
        _, _, dotted = str(module.with_suffix("")).partition("/src/")
        loaded = importlib.import_module(dotted.replace("/", "."))
        yield from (value for name in names if isinstance(value := getattr(loaded, name, None), str))


def test_the_table_knows_every_collection_that_a_library_uses() -> None:
    used = {name for module in REPOSITORY.glob("libs/*/src/**/*.py") for name in collections_of(module)}
    assert {"messages", "spool", "accounts", "leases"} <= used
    assert used <= set(COLLECTIONS)


def test_the_tables_of_the_documentation_are_current() -> None:
    text = (REPOSITORY / PAGE).read_text()
    assert "| `messages` |" in text
    assert text == page(text)


def test_smtp_in_reads_no_message_and_no_body() -> None:
    assert {"messages", "mailbox_accounts", CHUNKS}.isdisjoint(RIGHTS["smtp-in"].read)
    assert CHUNKS not in RIGHTS["smtp-in"].update


@pytest.mark.parametrize("service", ["filter", "relay"])
def test_services_without_logins_read_no_password_hash(service: str) -> None:
    assert "accounts" not in RIGHTS[service].read


def test_only_the_toolbox_changes_indexes_and_adds_accounts() -> None:
    for service in NAMES:
        assert RIGHTS[service].index == ()
        assert {"accounts", "domains", "tenants"}.isdisjoint(
            {*RIGHTS[service].insert, *RIGHTS[service].remove}
        )
    assert set(RIGHTS["toolbox"].index) == set(COLLECTIONS)


def test_a_role_grants_nothing_outside_its_database() -> None:
    for rights in RIGHTS.values():
        assert {each["resource"]["db"] for each in privileges(rights, "post")} <= {"post"}


@pytest.mark.parametrize("service", NAMES)
def test_only_its_own_queues_can_be_consumed(service: str) -> None:
    rights = RIGHTS[service]
    readable = {queue for queue in Queue if re.search(permissions(rights).read, queue)}
    # A queue and an exchange share the name `dead`, and each service binds the one to the other.
    assert readable == {*rights.consumes, Queue.DEAD}


@pytest.mark.parametrize("service", NAMES)
def test_rights_at_the_broker_follow_from_the_pipeline(service: str) -> None:
    stages, rights = stages_of(service), RIGHTS[service]
    assert set(rights.consumes) - {Queue.DEAD} == {stage.queue for stage in stages}
    onward = {queue.exchange for stage in stages for queue in stage.successors}
    assert onward <= set(rights.publishes)


def test_mail_is_published_where_the_service_hands_it_on() -> None:
    writable = {
        service: {
            exchange
            for exchange in ("smtp-in", "local", "remote", EVENTS_EXCHANGE)
            if re.search(permissions(RIGHTS[service]).write, exchange)
        }
        for service in NAMES
    }
    assert writable == {
        "smtp-in": {"smtp-in"},
        "router": {"smtp-in", "local", "remote"},
        "filter": {"local", "remote"},
        "delivery": {"smtp-in", EVENTS_EXCHANGE},
        "relay": set(),
        "imap": {EVENTS_EXCHANGE},
    }


def test_permissions_match_whole_names() -> None:
    allowed = permissions(RIGHTS["imap"])
    for name in ("smtp-in.routes", "xdead", "smtp-inXroute", "amq.generator", "mailboxXevents", "another"):
        assert re.search(allowed.configure, name) is None, name
    assert re.search(allowed.configure, "amq.gen-Abc_12") is not None
    assert re.search(permissions(RIGHTS["relay"]).configure, "amq.gen-Abc_12") is None


def test_print_shows_commands_for_both_servers_and_asks_for_passwords() -> None:
    text = run("print", "--service", "relay").stdout
    assert 'db.getSiblingDB("post 1").runCommand({\n  "createRole": "mailyard-relay",' in text
    assert '"createUser": "mailyard-relay"' in text
    assert '"pwd": passwordPrompt()' in text
    assert "rabbitmqctl add_user mailyard-relay\n" in text
    assert "rabbitmqctl set_permissions -p mail/1 mailyard-relay '^(" in text


def test_print_writes_json_without_passwords() -> None:
    found = printed()
    assert (found["mongodb"]["database"], found["rabbitmq"]["vhost"]) == ("post 1", "mail/1")
    commands = found["mongodb"]["commands"]
    assert [each["createUser"] for each in commands if "createUser" in each] == [
        rights.user for rights in RIGHTS.values()
    ]
    assert not any("pwd" in each for each in commands)
    assert [each["user"] for each in found["rabbitmq"]["permissions"]] == [
        rights.user for rights in RIGHTS.values() if rights.broker
    ]


def test_an_unknown_service_is_wrong_usage() -> None:
    refused = run("print", "--service", "pop3")
    assert (refused.exit_code, "no such service: pop3" in refused.stderr) == (2, True)


def test_nothing_is_made_when_a_password_is_missing(tmp_path: Path) -> None:
    for service in RIGHTS:
        (tmp_path / service).write_text("secret\n")
    (tmp_path / "relay").unlink()
    (tmp_path / "imap").write_text("\n")
    refused = run("apply", "--passwords", str(tmp_path), "--wait", "0")
    assert refused.exit_code == 1  # before any server is asked
    assert "cannot read the password of relay" in refused.stderr
    assert f"{tmp_path}/imap is empty: write the password of imap to it" in refused.stderr
    assert "secret" not in refused.output
