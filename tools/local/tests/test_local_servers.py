import pytest
from pymongo import MongoClient

from mailyard.local import provision
from mailyard.local.mongod import Mongod
from mailyard.local.paths import VAR
from mailyard.local.processes import StartFailed, free_port, start, stop, tail, wait_ready


@pytest.fixture
def serve(tmp_path):
    """Starts a mongod on a port, waits until it is primary, and gives back the way to stop it."""
    running = []

    def begin(port: int):
        program = provision.mongod(VAR)
        mongod = Mongod(program.binary, tmp_path / "data", port, tmp_path / "mongod.log", 0.25, program.env)
        process = start(mongod.program())
        running.append(process)
        wait_ready(mongod.program(), process, mongod.not_ready_reason, 60)
        return mongod, process

    yield begin
    for process in running:
        stop(process, 10)


def test_a_store_whose_port_has_changed_is_primary_again_and_has_its_data(serve):
    first, process = serve(free_port())
    with MongoClient(first.url) as client:
        client.mail.things.insert_one({"_id": 1})
    stop(process, 10)
    second, _ = serve(free_port())
    with MongoClient(second.url) as client:
        assert client.mail.things.find_one() == {"_id": 1}


def test_a_second_store_on_the_same_data_shows_why_it_cannot_start(serve):
    serve(free_port())
    with pytest.raises(StartFailed, match=r"mongod ended with status \d+\.\nThe end of .*mongod.log"):
        serve(free_port())


def test_the_end_of_a_log_is_shown_with_its_path(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(log, 2) == f"The end of {log}:\n  | line 98\n  | line 99"
    assert tail(tmp_path / "none.log") == f"  (no log at {tmp_path / 'none.log'})"
