"""What is found, what is fetched, and what is said when neither works; nothing is really fetched here."""

from pathlib import Path

import pytest

from mailyard.local import provision
from mailyard.local.debian import PackagesUnavailable, PackageTree
from mailyard.local.pip import Pip, PipFailed
from mailyard.local.provision import NotProvided


def program(path: Path, text: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """Nothing but a shell in PATH, and no RabbitMQ of the system."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program(tmp_path / "bin/sh", 'exec /bin/sh "$@"')
    monkeypatch.setattr(provision, "_SYSTEM", tmp_path / "system")
    monkeypatch.setattr(provision, "find_pip", lambda _var: Pip({}))
    return tmp_path


def test_the_mongod_of_the_machine_is_preferred(bare_machine):
    installed = program(bare_machine / "bin/mongod")
    assert provision.mongod(bare_machine / "var").binary == installed


def test_a_mongod_that_does_not_run_here_is_replaced_by_a_fetched_one(bare_machine, monkeypatch):
    program(bare_machine / "bin/mongod", "exit 127")
    monkeypatch.setattr(
        Pip, "install", lambda _pip, _what, folder: program(folder / "fiftyone/db/bin/mongod") and None
    )
    assert provision.mongod(bare_machine / "var").binary == bare_machine / "var/mongod/fiftyone/db/bin/mongod"


def test_without_any_mongod_the_variable_that_names_one_is_reported(bare_machine, monkeypatch):
    def fail(*_):
        raise PipFailed("no such package for this processor")

    monkeypatch.setattr(Pip, "install", fail)
    with pytest.raises(NotProvided) as refusal:
        provision.mongod(bare_machine / "var")
    assert "no such package for this processor" in str(refusal.value)
    assert "MAILYARD_MONGO_URL" in str(refusal.value)


def test_the_rabbitmq_of_the_machine_is_run_without_its_wrapper(bare_machine, monkeypatch):
    program(bare_machine / "bin/epmd")
    program(bare_machine / "bin/rabbitmq-server")
    program(bare_machine / "system/usr/lib/rabbitmq/bin/rabbitmq-server")
    assert provision.rabbitmq(bare_machine / "var").scripts == bare_machine / "system/usr/lib/rabbitmq/bin"


def test_rabbitmq_is_unpacked_where_there_is_none(bare_machine, monkeypatch):
    def unpack(tree, packages):
        assert packages == ("rabbitmq-server",)
        program(tree.root / "usr/bin/epmd")
        program(tree.root / "usr/lib/rabbitmq/bin/rabbitmq-server")

    monkeypatch.setattr(PackageTree, "install", unpack)
    found = provision.rabbitmq(bare_machine / "var")
    assert found.scripts.is_relative_to(bare_machine / "var/debian")
    assert str(found.epmd.parent) in found.env["PATH"]


def test_where_packages_cannot_be_had_the_error_says_what_to_do(bare_machine, monkeypatch):
    with pytest.raises(NotProvided) as refusal:
        provision.rabbitmq(bare_machine / "var")
    assert "neither Debian nor Ubuntu" in str(refusal.value)
    assert "MAILYARD_AMQP_URL" in str(refusal.value)


def test_a_source_that_fails_is_reported_in_the_words_of_apt(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    program(tmp_path / "bin/apt-get", "echo 'E: Unable to locate package nothing' >&2; exit 100")
    program(tmp_path / "bin/dpkg-deb")
    with pytest.raises(PackagesUnavailable, match="Unable to locate package nothing"):
        PackageTree(tmp_path / "tree").install(["nothing"])


def test_packages_that_are_missing_are_unpacked_and_erlang_gets_its_new_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    program(
        tmp_path / "bin/apt-get",
        'case "$*" in *--simulate*) echo "Inst erlang-base (1:25 Debian [amd64])";; *download*) touch erlang-base.deb;; esac',
    )
    program(
        tmp_path / "bin/dpkg-deb",
        'mkdir -p $3/usr/lib/erlang/bin; printf "#!/bin/sh\\nROOTDIR=/usr/lib/erlang\\n" > $3/usr/lib/erlang/bin/erl',
    )
    tree = PackageTree(tmp_path / "tree")
    tree.install(["rabbitmq-server"])
    assert (
        tree.root / "usr/lib/erlang/bin/erl"
    ).read_text() == f"#!/bin/sh\nROOTDIR={tree.root}/usr/lib/erlang\n"
