"""Where the command finds the servers, and what it says when they are not there."""

from pathlib import Path

import pytest

from mailyard.cli.configuration import BadConfiguration, configuration

NOBODY = "mongodb://127.0.0.1:1/?directConnection=true"


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("MONGO_URL", "AMQP_URL", "MONGO_DATABASE"):
        monkeypatch.delenv(f"MAILYARD_{name}", raising=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(file: Path | None = None) -> tuple[str, str]:
    settings = configuration(file)
    return settings.mongo_url.get_secret_value(), settings.mongo_database


def test_the_environment_counts_before_the_local_file(monkeypatch):
    write(Path("var/local/env"), "MAILYARD_MONGO_URL=mongodb://local\n")
    monkeypatch.setenv("MAILYARD_MONGO_DATABASE", "other")
    assert found() == ("mongodb://127.0.0.1:27017/?replicaSet=rs0", "other")


def test_the_local_file_counts_where_the_environment_names_no_server():
    write(
        Path("var/local/env"),
        "# written by make run\n\nexport MAILYARD_MONGO_URL='mongodb://local/?a=b'\nMAILYARD_SMTP_IN_X=1\nPATH=/bin\n",
    )
    assert found() == ("mongodb://local/?a=b", "mailyard")


def test_a_named_file_counts_before_everything(monkeypatch, tmp_path):
    monkeypatch.setenv("MAILYARD_MONGO_URL", "mongodb://environment")
    file = write(tmp_path / "servers", 'MAILYARD_MONGO_URL="mongodb://file"\nMAILYARD_MONGO_DATABASE=two\n')
    assert found(file) == ("mongodb://file", "two")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MAILYARD_MONGO_URL\n", "servers, line 1: expected NAME=value"),
        ("MAILYARD_MONGO_DATABASE=\n", "servers: MAILYARD_MONGO_DATABASE: String should have at least 1"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_place(tmp_path, text, reason):
    with pytest.raises(BadConfiguration, match=reason):
        configuration(write(tmp_path / "servers", text))


def test_a_file_that_is_absent_ends_with_status_78(mailyard):
    refused = mailyard("--config", "absent", "tenant", "list")
    assert (refused.exit_code, "cannot read absent" in refused.stderr) == (78, True)


def test_a_url_that_is_none_ends_with_status_78(mailyard):
    mailyard.environment["MAILYARD_MONGO_URL"] = "http://127.0.0.1"
    refused = mailyard("tenant", "list")
    assert (refused.exit_code, "Invalid URI scheme" in refused.stderr) == (78, True)


def test_a_store_that_is_unreachable_ends_with_status_69(mailyard):
    mailyard.environment["MAILYARD_MONGO_URL"] = f"{NOBODY}&serverSelectionTimeoutMS=200"
    refused = mailyard("tenant", "list")
    assert (refused.exit_code, refused.stderr[:37]) == (69, "mailyard: MongoDB is unreachable: 127")


def test_a_broker_that_is_unreachable_ends_with_status_69(mailyard):
    mailyard.environment["MAILYARD_AMQP_URL"] = "amqp://guest:guest@127.0.0.1:1/"
    refused = mailyard("queue", "list")
    assert (refused.exit_code, "mailyard: RabbitMQ is unreachable" in refused.stderr) == (69, True)
    assert "guest:guest" not in refused.output


def test_the_version_is_printed(mailyard):
    assert mailyard("--version").stdout == "mailyard 0.3.0\n"
