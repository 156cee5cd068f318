"""The reference pages hold every setting, metric and event, with versions and old names."""

from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from mailyard.local import docs
from mailyard.runtime.catalogue import Catalogue, EventType, Metric
from mailyard.runtime.renames import Renamed, VersionAdded
from mailyard.runtime.settings import CommonSettings, settings_config


class SampleSettings(CommonSettings):
    """Settings of a service that does not exist."""

    model_config = settings_config("router")

    plain: int = Field(default=3, description="How many.")
    added: Annotated[bool, VersionAdded("0.4.0")] = Field(default=False, description="Whether.")
    renamed: Annotated[str, Renamed("MAILYARD_ROUTER_FORMER", "0.4.0")] = Field(
        default="", description="A | B."
    )
    places: tuple[str, ...] = Field(default=("a", "b"), description="Where.")
    key: SecretStr = Field(description="A key.")


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.setattr(docs, "settings_class", lambda _service: SampleSettings)
    section = docs.settings_page().partition("\n## router\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_a_setting_has_its_variable_default_and_meaning(rows):
    assert rows[0] == "| `MAILYARD_ROUTER_PLAIN` | `3` | How many. |"


def test_the_version_that_added_a_setting_follows_its_meaning(rows):
    assert rows[1] == "| `MAILYARD_ROUTER_ADDED` | `false` | Whether. Since 0.4.0. |"


def test_an_old_name_follows_the_meaning_and_bars_are_escaped(rows):
    assert rows[2] == (
        "| `MAILYARD_ROUTER_RENAMED` | unset | A \\| B. Before 0.4.0 it was `MAILYARD_ROUTER_FORMER`;"
        " that name still works in this version, with a warning. |"
    )


def test_defaults_are_written_as_in_the_environment(rows):
    assert rows[3] == "| `MAILYARD_ROUTER_PLACES` | `a,b` | Where. |"
    assert rows[4] == "| `MAILYARD_ROUTER_KEY` | **required** | A key. |"


def test_a_service_does_not_repeat_the_common_settings(rows):
    assert not [row for row in rows if "MAILYARD_AMQP_URL" in row]


@pytest.fixture
def _declared(monkeypatch):
    metrics = (
        Metric("mailyard_a_total", "counter", "As.", ("queue", "kind")),
        Metric("mailyard_b_seconds", "histogram", "Bs.", renamed=Renamed("mailyard_former_seconds", "0.4.0")),
    )
    events = (EventType("a.done", "A is done."), EventType("message.done", "The message is done."))
    catalogue = Catalogue({each.name: each for each in metrics}, {each.name: each for each in events})
    monkeypatch.setattr(docs, "collect", lambda: catalogue)


@pytest.mark.usefixtures("_declared")
def test_a_metric_has_its_kind_labels_help_and_old_name():
    page = docs.metrics_page()
    assert "| `mailyard_a_total` | counter | `queue`, `kind` | As. |\n" in page
    assert (
        "| `mailyard_b_seconds` | histogram |  | Bs. Before 0.4.0 it was `mailyard_former_seconds`. |\n"
        in page
    )


@pytest.mark.usefixtures("_declared")
def test_events_of_messages_stand_apart_from_events_of_logs():
    logs, _, timelines = docs.events_page().partition("## Timeline events")
    assert "| `a.done` | A is done. |" in logs
    assert "message.done" not in logs
    assert "| `message.done` | The message is done. |" in timelines


def test_the_check_names_each_page_that_is_not_what_the_code_says(monkeypatch, tmp_path):
    monkeypatch.setattr(docs, "_path", lambda name: tmp_path / name)
    monkeypatch.setattr("sys.argv", ["docs"])
    docs.main()
    monkeypatch.setattr("sys.argv", ["docs", "--check"])
    with pytest.raises(SystemExit) as current:
        docs.main()
    assert current.value.code == 0
    (tmp_path / "metrics.md").write_text("old")
    with pytest.raises(SystemExit, match=r"docs/metrics\.md is not what the code says") as stale:
        docs.main()
    assert "settings.md" not in str(stale.value.code)
