"""`mailyard setup` on a real MongoDB and a real RabbitMQ: everything is made, nothing twice, nothing is changed."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aio_pika
import pytest
from pymongo import MongoClient

from mailyard.broker.pipeline import Queue
from mailyard.cli.setup.plan import BadPlan, read_plan
from mailyard.local.processes import free_port

COMMAND = str(Path(sys.executable).with_name("mailyard"))
PLAN = """
tenants:
  - id: acme
    name: Acme Ltd.
    domains: [acme.example, acme.test]
    accounts:
      - {address: anna@acme.example, passwordFile: anna}
      - {address: ben@acme.test, passwordFile: ben}
    aliases:
      - {address: info@acme.example, targets: [anna@acme.example, zoe@remote.example]}
"""
ADDED = """\
tenant acme: added
domain acme.example: added
domain acme.test: added
account anna@acme.example: added
account ben@acme.test: added
alias info@acme.example: added
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "anna").write_text("correct horse\n")
    (tmp_path / "ben").write_text("battery staple\n")
    file = tmp_path / "setup.yaml"
    file.write_text(PLAN)
    return file


@pytest.fixture
def cluster(mailyard, vhost_url):
    mailyard.environment["MAILYARD_AMQP_URL"] = vhost_url
    return mailyard


@pytest.fixture
def rows(mongo_url, database):
    with MongoClient(mongo_url) as client:
        yield client[database]


def test_an_empty_installation_gets_everything(cluster, plan, rows, vhost_url):
    done = cluster("setup", "--file", str(plan))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("MongoDB: ready\nMongoDB: has all indexes\n")
    assert done.stdout.endswith(f"RabbitMQ: ready\nRabbitMQ: has all exchanges and queues\n{ADDED}")
    assert "login" in rows["accounts"].index_information()
    assert rows["mailboxes"].count_documents({"name": "INBOX"}) == 2
    assert set(queue_depths(vhost_url)) == set(Queue)


def queue_depths(url):
    """Asking for a queue that is not there fails."""

    async def ask():
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            return {queue: (await channel.declare_queue(queue, passive=True)).name for queue in Queue}

    return asyncio.run(ask())


def test_a_second_run_changes_nothing_and_a_password_stays(cluster, plan, rows):
    cluster("setup", "--file", str(plan))
    before = {
        name: list(rows[name].find()) for name in ("tenants", "domains", "accounts", "addresses", "mailboxes")
    }
    (plan.parent / "anna").write_text("another one\n")
    (plan.parent / "ben").unlink()
    again = cluster("setup", "--file", str(plan))
    assert again.exit_code == 0, again.stderr
    assert again.stdout.count("exists already") == ADDED.count("\n")
    assert before == {name: list(rows[name].find()) for name in before}


def test_two_runs_at_once_both_succeed_and_make_everything_once(cluster, plan, rows):
    environment = {**os.environ, **cluster.environment}
    command = (COMMAND, "setup", "--file", str(plan))
    jobs = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    outputs = [job.communicate(timeout=120)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], outputs
    assert rows["accounts"].count_documents({}) == rows["domains"].count_documents({}) == 2
    assert rows["addresses"].count_documents({}) == 3
    assert rows["mailboxes"].count_documents({"name": "INBOX"}) == 2


def test_without_a_file_it_makes_indexes_and_topology(cluster, rows):
    assert cluster("setup").stdout.endswith("RabbitMQ: has all exchanges and queues\n")
    assert rows["tenants"].count_documents({}) == 0


def test_an_alias_that_somebody_has_changed_is_kept(cluster, plan):
    cluster("setup", "--file", str(plan))
    plan.write_text(PLAN.replace("zoe@", "max@"))
    again = cluster("setup", "--file", str(plan))
    assert (
        "alias info@acme.example: exists already and is not changed; its targets are anna@acme.example, zoe@remote.example\n"
        in again.stdout
    )


def test_a_domain_of_another_tenant_is_refused_with_its_place_in_the_file(cluster, plan):
    cluster("setup", "--file", str(plan))
    plan.write_text("tenants: [{id: acme}, {id: other, domains: [acme.test]}]")
    refused = cluster("setup", "--file", str(plan))
    assert (refused.exit_code, refused.stderr) == (1, "mailyard: tenants[1]: the domain acme.test is taken\n")


def test_a_password_file_that_is_missing_is_named(cluster, plan):
    (plan.parent / "anna").unlink()
    refused = cluster("setup", "--file", str(plan))
    assert refused.exit_code == 1
    assert (
        f"the password of anna@acme.example cannot be read: [Errno 2] No such file or directory: '{plan.parent}/anna'"
        in refused.stderr
    )


def test_it_waits_for_servers_says_so_once_and_gives_up(tmp_path, mailyard, vhost_url):
    away = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200"
    mailyard.environment.update(MAILYARD_MONGO_URL=away, MAILYARD_AMQP_URL=vhost_url)
    given_up = mailyard("setup", "--wait", "2")
    assert given_up.exit_code == 69
    assert given_up.stdout.count("MongoDB: waiting, MongoDB is unreachable: ") == 1
    assert "mailyard: MongoDB did not become ready in time: MongoDB is unreachable" in given_up.stderr


def test_a_broker_that_is_unreachable_is_named(mailyard):
    mailyard.environment["MAILYARD_AMQP_URL"] = f"amqp://guest:secret@127.0.0.1:{free_port()}/"
    given_up = mailyard("setup", "--wait", "1")
    assert given_up.exit_code == 69
    assert "mailyard: RabbitMQ did not become ready in time: " in given_up.stderr
    assert "secret" not in given_up.output


def test_a_queue_that_somebody_made_otherwise_needs_a_person(cluster, vhost_url):
    async def make():
        async with await aio_pika.connect(vhost_url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(Queue.LOCAL_FILTER, durable=True)

    asyncio.run(make())
    refused = cluster("setup")
    assert refused.exit_code == 78
    assert (
        "RabbitMQ has a queue 'local.filter' with other properties than Mailyard declares" in refused.stderr
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tenants: [{id: No Slug}]", "tenants[0].id: 'No Slug' is not a tenant name"),
        (
            "tenants: [{id: a, domains: [b.c, localhost]}]",
            "tenants[0].domains[1]: 'localhost' is not a domain name",
        ),
        (
            "tenants: [{id: a, accounts: [{address: x@b.c}]}]",
            "tenants[0].accounts[0].passwordFile: Field required",
        ),
        (
            "tenants: [{id: a, accounts: [{address: x, passwordFile: f}]}]",
            "tenants[0].accounts[0].address: 'x' is not a mail address",
        ),
        (
            "tenants: [{id: a, aliases: [{address: x@b.c, targets: []}]}]",
            "tenants[0].aliases[0].targets: Tuple should have at least 1 item",
        ),
        ("tenant: []", "tenant: unknown key"),
        ("[]", "the file: Input should be a valid dictionary"),
        ("tenants: [", "is not YAML"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_of_the_problem(tmp_path, text, problem):
    file = tmp_path / "setup.yaml"
    file.write_text(text)
    with pytest.raises(BadPlan) as refusal:
        read_plan(file)
    assert problem in str(refusal.value)


def test_all_problems_are_reported_at_once_and_nothing_is_done(mailyard, tmp_path):
    file = tmp_path / "setup.yaml"
    file.write_text("tenants: [{id: A, domains: [x]}]")
    refused = mailyard("setup", "--file", str(file))
    assert (refused.exit_code, refused.stdout) == (78, "")
    assert refused.stderr.splitlines() == [
        f"mailyard: {file}: tenants[0].id: 'A' is not a tenant name: use 1 to 63 of a-z, 0-9 and inner hyphens",
        f"{file}: tenants[0].domains[0]: 'x' is not a domain name: it needs two labels, the last one not a number",
    ]


FULL = """
tenants:
  - id: acme
    contact: anna@acme.example
    domains: [acme.example]
    aliases:
      - {address: first@acme.example, targets: [second@acme.example]}
      - {address: second@acme.example, targets: [anna@acme.example, carl@other.example]}
    accounts:
      - {address: anna@acme.example, passwordFile: anna, name: Anna, quota: 5G}
      - {address: ben@acme.example, passwordFile: ben, status: disabled}
  - id: other
    status: suspended
    domains: [other.example]
    accounts:
      - {address: carl@other.example, passwordFile: anna}
"""


def test_contact_status_name_and_quota_are_taken_and_aliases_come_in_any_order(cluster, plan, rows):
    plan.write_text(FULL.replace("    status: suspended\n", ""))
    done = cluster("setup", "--file", str(plan))
    assert (done.exit_code, done.stderr) == (0, "")
    assert rows["tenants"].find_one({"_id": "acme"})["contact"] == "anna@acme.example"
    anna = rows["accounts"].find_one({"key": "anna@acme.example"})
    assert (anna["name"], anna["quota_bytes"]) == ("Anna", 5 * 2**30)
    assert rows["accounts"].find_one({"key": "ben@acme.example"})["status"] == "disabled"
    plan.write_text(FULL)
    assert cluster("setup", "--file", str(plan)).exit_code == 0
    assert rows["tenants"].find_one({"_id": "other"})["status"] == "active"  # it was there already


def test_a_run_that_ends_in_the_middle_leaves_nobody_in_who_should_be_suspended(cluster, plan, rows):
    plan.write_text(FULL.replace("anna@acme.example, carl@other.example]", "nobody@acme.example]"))
    assert cluster("setup", "--file", str(plan)).exit_code == 1
    assert rows["tenants"].find_one({"_id": "other"})["status"] == "suspended"
    assert rows["accounts"].find_one({"key": "ben@acme.example"})["status"] == "suspended"
    plan.write_text(FULL)
    assert cluster("setup", "--file", str(plan)).exit_code == 0
    assert rows["tenants"].find_one({"_id": "other"})["status"] == "suspended"
    assert (
        rows["accounts"].find_one({"key": "ben@acme.example"})["status"] == "suspended"
    )  # it was there already


def test_an_alias_that_leads_nowhere_is_refused_by_its_tenants_number(cluster, plan):
    plan.write_text(FULL.replace("carl@other.example]", "dora@other.example]"))
    refused = cluster("setup", "--file", str(plan))
    assert refused.exit_code == 1
    assert "tenants[0]: second@acme.example takes no mail" in refused.stderr


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ("quota: 5GB", "tenants[0].accounts[0].quota: '5GB' is not a size"),
        ("quota: 0", "tenants[0].accounts[0].quota"),
        ("quota: 5G, status: gone", "tenants[0].accounts[0].status"),
    ],
)
def test_wrong_values_are_named_by_their_place(plan, wrong, path):
    plan.write_text(FULL.replace("quota: 5G", wrong))
    with pytest.raises(BadPlan) as refused:
        read_plan(plan)
    assert path in str(refused.value)
