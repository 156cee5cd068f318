"""A new replica set of three real servers, which know each other by a key file and nobody else."""

import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from mailyard.cli.main import app
from mailyard.cli.replicaset.initiation import Initiation, Wanted, own_member, until_complete
from mailyard.local import provision
from mailyard.local.paths import VAR
from mailyard.local.processes import Program, free_port, start
from mailyard.runtime.endpoint import Endpoint
from tests.trial.waiting import wait_until

COMMAND = str(Path(sys.executable).with_name("mailyard"))
SECONDS = 90
PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    key = folder / "key"
    key.write_text("a2V5IG9mIGEgdGVzdA==")
    key.chmod(0o600)
    endpoints = [Endpoint("127.0.0.1", free_port()) for _ in range(3)]
    with ExitStack() as stack:
        for endpoint in endpoints:
            stack.enter_context(mongod(folder, endpoint, key))
        yield endpoints


@contextmanager
def mongod(folder, endpoint, key, data=None):
    found = provision.mongod(VAR)
    data = folder / str((data or endpoint).port)
    data.mkdir(exist_ok=True)
    words = f"--nounixsocket --bind_ip 127.0.0.1 --replSet rs0 --oplogSize 64 --wiredTigerCacheSizeGB 0.25 --port {endpoint.port} --dbpath {data} --keyFile {key} --setParameter diagnosticDataCollectionEnabled=false"
    process = start(
        Program("mongod", (str(found.binary), *words.split()), folder / f"{endpoint.port}.log", found.env)
    )
    try:
        yield process
    finally:
        process.kill()  # nobody needs its data: an orderly end waits for an election
        process.wait(20)


def missing_after(initiation, seconds=SECONDS):
    said = []
    end = time.monotonic() + seconds
    missing = until_complete(initiation, lambda: time.monotonic() > end, lambda: time.sleep(0.2), said.append)
    return missing, said


@pytest.fixture(scope="module")
def replica_set(members):
    """All three are at it at once, as sidecars are."""
    wanted = Wanted("rs0", tuple(members), "mailyard", PASSWORD)
    results = {}

    def complete(endpoint):
        results[endpoint] = missing_after(Initiation(wanted, endpoint, endpoint))

    sidecars = [threading.Thread(target=complete, args=(endpoint,)) for endpoint in members]
    for sidecar in sidecars:
        sidecar.start()
    for sidecar in sidecars:
        sidecar.join()
    assert [results[endpoint][0] for endpoint in members] == [None, None, None], results
    return wanted


def test_three_new_servers_become_a_set_whose_user_may_do_everything(replica_set, members):
    url = f"mongodb://{','.join(map(str, members))}/?replicaSet=rs0&authSource=admin"
    with MongoClient(url, username="mailyard", password=PASSWORD) as client:
        config = client.admin.command("replSetGetConfig")["config"]
        assert [member["host"] for member in config["members"]] == [str(endpoint) for endpoint in members]
        client.get_database("trial")["x"].with_options(write_concern=None).insert_one({})


def test_a_set_that_is_complete_is_left_alone(replica_set, members):
    for endpoint in members:
        assert missing_after(Initiation(replica_set, endpoint, endpoint)) == (None, [])


def test_the_command_says_that_all_is_there(replica_set, members, tmp_path):
    done = run(members[0], tmp_path, PASSWORD, "10")
    assert (done.exit_code, done.stdout) == (0, "The replica set rs0 is complete, mailyard can log in.\n")


def test_a_sidecar_stays_until_it_is_asked_to_stop_and_is_small(replica_set, members, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    endpoint = str(members[0])
    options = (
        "--member",
        endpoint,
        "--at",
        endpoint,
        "--user",
        "mailyard",
        "--password-file",
        str(secret),
        "--stay",
    )
    process = subprocess.Popen(
        (COMMAND, "replica-set", "initiate", *options), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The replica set rs0 is complete")
        wait_until(lambda: resident_mib(process.pid) < 20, seconds=20, what="a small process")
        assert process.poll() is None
    finally:
        process.terminate()
    assert process.wait(10) == 0


def resident_mib(pid):
    return psutil.Process(pid).memory_info().rss / 2**20


def test_a_wrong_password_is_reported_and_given_up(replica_set, members, tmp_path):
    runs = [run(endpoint, tmp_path, "wrong", "0") for endpoint in members]
    assert {done.exit_code for done in runs} == {69}
    assert any("must hold this one's password" in done.stderr for done in runs)  # the primary tells


def run(endpoint, folder, password, seconds):
    secret = folder / "secret"
    secret.write_text(f"{password}\n")
    arguments = ["--member", str(endpoint), "--at", str(endpoint), "--user", "mailyard", "--wait", seconds]
    return CliRunner().invoke(
        app, ["replica-set", "initiate", *arguments, "--password-file", str(secret)], prog_name="mailyard"
    )


def test_a_server_that_is_unreachable_is_named():
    port = free_port()
    wanted = Wanted("rs0", (Endpoint("127.0.0.1", port),), "mailyard", PASSWORD)
    missing, said = missing_after(Initiation(wanted, wanted.members[0], None), 0)
    assert missing is not None
    assert missing.startswith(f"MongoDB at 127.0.0.1:{port}: ")
    assert said == [missing]


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("mail-mongodb-0", 0),
        ("mail-mongodb-1", 1),
        ("mail-mongodb-2.mail-mongodb.default.svc", 2),
        ("toolbox-7", None),
    ],
)
def test_a_machine_is_the_member_of_its_name(host, number):
    members = [Endpoint(f"mail-mongodb-{each}.mail-mongodb", 27017) for each in range(3)]
    assert own_member(members, host) == (None if number is None else members[number])


@pytest.fixture
def alone(tmp_path):
    """A set of one, complete, whose server then starts under another name than the set's."""
    key = tmp_path / "key"
    key.write_text("a2V5IG9mIGEgdGVzdA==")
    key.chmod(0o600)
    member, other = (Endpoint("127.0.0.1", free_port()) for _ in range(2))
    wanted = Wanted("rs0", (member,), "mailyard", PASSWORD)
    with mongod(tmp_path, member, key):
        assert missing_after(Initiation(wanted, member, member))[0] is None
    with mongod(tmp_path, other, key, data=member) as process:
        yield wanted, other, process
    with mongod(tmp_path, member, key):
        assert missing_after(Initiation(wanted, member, member))[0] is None


def test_a_server_that_did_not_find_itself_is_ended_to_start_anew(alone):
    wanted, at, process = alone
    own = wanted.members[0]
    wait_until(
        lambda: "it is ended, to be started again" in (Initiation(wanted, at, own).missing() or ""),
        seconds=SECONDS,
        what="the end of the server",
    )
    assert process.wait(20) == 0


def test_a_server_that_was_removed_from_its_set_goes_on(alone):
    wanted, at, process = alone
    missing, _ = missing_after(Initiation(wanted, at, at), 3)
    assert missing == f"MongoDB at {at} is no member of its set, which has {wanted.members[0]}"
    assert process.poll() is None
