"""`mailyard-contracts` on a copy of the real contracts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailyard.contracts.generation import stale

PROTO = Path(__file__).parents[3] / "proto"


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    shutil.copytree(PROTO / "mailyard", tmp_path / "mailyard")
    shutil.copytree(PROTO / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROTO / "baseline.json", tmp_path)
    return tmp_path


def contracts(command: str, proto: Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "mailyard.contracts.main", command, "--proto", str(proto)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)


def edit(proto: Path, before: str, after: str) -> None:
    source = proto / "mailyard/proto/v1/mailbox.proto"
    text = source.read_text()
    assert before in text
    source.write_text(text.replace(before, after))


def test_the_committed_code_is_current():
    assert stale(PROTO, PROTO / "src") == []


def test_the_committed_contracts_only_add_to_their_baseline():
    finished = contracts("check", PROTO)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_changed_contract_makes_the_committed_code_stale_until_it_is_generated(proto):
    edit(proto, "string origin = 5;", "string origin = 5; string reason = 6;")
    assert stale(proto, proto / "src") == [
        "mailyard/proto/v1/mailbox_pb2.py",
        "mailyard/proto/v1/mailbox_pb2.pyi",
    ]
    assert contracts("generate", proto).returncode == 0
    assert stale(proto, proto / "src") == []


def test_generated_code_without_a_contract_is_stale(proto):
    (proto / "src/mailyard/proto/v1/old_pb2.py").write_text("")
    assert stale(proto, proto / "src") == ["mailyard/proto/v1/old_pb2.py"]


def test_an_addition_must_be_taken_into_the_baseline(proto):
    edit(proto, "string origin = 5;", "string origin = 5; string reason = 6;")
    contracts("generate", proto)
    assert "run `mailyard-contracts extend`" in contracts("check", proto).stderr
    assert contracts("extend", proto).returncode == 0
    assert contracts("check", proto).returncode == 0


def test_a_breaking_change_cannot_be_taken_into_the_baseline(proto):
    before = (proto / "baseline.json").read_text()
    edit(proto, "string origin = 5;", "")
    finished = contracts("extend", proto)
    assert finished.returncode == 1
    assert "mailyard.proto.v1.MailboxEvent.origin: number 5 removed" in finished.stderr
    assert (proto / "baseline.json").read_text() == before


def test_a_contract_that_does_not_compile_is_reported_with_its_line(proto):
    edit(proto, "string origin = 5;", "strin origin = 5;")
    finished = contracts("check", proto)
    assert finished.returncode == 1
    assert 'mailbox.proto:12:3: "strin" is not defined' in finished.stderr
