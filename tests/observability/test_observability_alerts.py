"""Each alert fires when it should and stays quiet otherwise, with texts that a person can read."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mailyard.observability.rule import RUNBOOKS, Alert
from mailyard.observability.rules import ALERTS
from mailyard.runtime.catalogue import collect
from tests.observability.alertcase import Case, promtool_tests
from tests.observability.alertcases import CASES
from tests.observability.promtool import program, rule_files
from tests.trial.instance import REPOSITORY

BY_NAME = {alert.name: alert for alert in ALERTS}
SECTIONS = ["Meaning", "Impact", "Look", "Do"]


def test_every_alert_has_a_case_and_every_case_an_alert() -> None:
    assert {case.alert for case in CASES} == BY_NAME.keys()


def test_rules_are_what_prometheus_reads() -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "rules", *rule_files()], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.at}")
def test_alert_fires_when_it_should_and_stays_quiet_otherwise(case: Case, tmp_path: Path) -> None:
    tests = tmp_path / "tests.yaml"
    tests.write_text(
        yaml.safe_dump(
            {
                "rule_files": rule_files(),
                "evaluation_interval": "30s",
                "tests": promtool_tests(case, BY_NAME[case.alert]),
            }
        )
    )
    done = subprocess.run(
        [program("promtool"), "test", "rules", tests], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert_has_a_runbook_with_all_its_parts(alert: Alert) -> None:
    text = (REPOSITORY / alert.runbook).read_text()
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "```" in text, "a runbook has commands to type"


def test_runbooks_name_metrics_settings_and_alerts_that_there_are() -> None:
    text = "\n".join(path.read_text() for path in (REPOSITORY / RUNBOOKS).glob("*.md"))
    settings = (REPOSITORY / "docs/settings.md").read_text()
    assert set(re.findall(r"\bmailyard_[a-z_]+", text)) <= collect().metrics.keys()
    assert {name for name in re.findall(r"\bMAILYARD_[A-Z_]+", text) if f"`{name}`" not in settings} == set()
    assert set(re.findall(r"\bMailyard[A-Z]\w+", text)) == BY_NAME.keys()


PAGES = {path.name for path in (REPOSITORY / "docs").glob("*.md")}


def test_runbooks_name_events_that_there_are() -> None:
    text = "\n".join(path.read_text() for path in (REPOSITORY / RUNBOOKS).glob("*.md"))
    origins = "|".join(sorted({name.partition(".")[0] for name in collect().events}))
    named = set(re.findall(rf"\b((?:{origins})\.[a-z_]+)\b(?!\()", text)) - PAGES  # db.spool.find() is none
    assert named <= collect().events.keys()
    assert "ledger.unaccounted" in named


def test_runbooks_read_whole_logs() -> None:
    """Of pods that are chosen by label kubectl shows ten lines of each, unless an option says otherwise."""
    lines = [line for path in (REPOSITORY / RUNBOOKS).glob("*.md") for line in path.read_text().splitlines()]
    assert [line for line in lines if "kubectl" in line and "logs -l" in line and "--tail" not in line] == []


def test_runbooks_ask_mongodb_as_a_user_that_it_knows() -> None:
    pages = {path.name: path.read_text() for path in (REPOSITORY / RUNBOOKS).glob("*.md")}
    assert "mongosh() {" in pages.pop("README.md")
    asking = [text for text in pages.values() if "mongosh" in text]
    assert asking
    assert all(
        re.search(r"^mongosh '.+'  # a function: see README\.md$", text, re.MULTILINE) for text in asking
    )
    assert not any("-- mongosh" in text for text in asking)


def test_no_runbook_is_left_of_an_alert_that_is_gone() -> None:
    runbooks = {path.stem for path in (REPOSITORY / RUNBOOKS).glob("Mailyard*.md")}
    assert runbooks == BY_NAME.keys()
