"""The command writes the chart's files, and tells which are not what the code says."""

import re
import sys
from pathlib import Path

import pytest

from mailyard.observability import main as command
from mailyard.observability.boards import BOARDS
from mailyard.observability.dashboard import WIDTH
from mailyard.observability.grafana import model_of


def run(monkeypatch: pytest.MonkeyPatch, chart: Path, action: str) -> str | int | None:
    monkeypatch.setattr(sys, "argv", ["mailyard-observability", action, "--chart", str(chart)])
    try:
        command.main()
    except SystemExit as end:
        return end.code
    return None


def test_what_was_generated_is_current(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, tmp_path, "generate") is None
    assert run(monkeypatch, tmp_path, "check") is None
    assert len(list(tmp_path.glob("dashboards/*.json"))) == len(BOARDS)


def test_changed_missing_and_superfluous_files_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(monkeypatch, tmp_path, "generate")
    changed = tmp_path / "dashboards/mailyard-queues.json"
    missing = tmp_path / "rules/mailyard-queues.yaml"
    superfluous = tmp_path / "dashboards/old.json"
    changed.write_text("{}")
    missing.unlink()
    superfluous.write_text("{}")
    told = run(monkeypatch, tmp_path, "check")
    assert told == (
        f"{changed} is not what the code says\n{missing} is not what the code says\n"
        f"{superfluous} is written by nothing\nrun: mailyard-observability generate"
    )
    run(monkeypatch, tmp_path, "generate")
    assert run(monkeypatch, tmp_path, "check") is None


def test_uids_and_titles_are_unique() -> None:
    assert len({board.uid for board in BOARDS}) == len({board.title for board in BOARDS}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_panels_do_not_overlap_and_have_ids_of_their_own(board) -> None:
    taken: set[tuple[int, int]] = set()
    panels = model_of(board)["panels"]
    for panel in panels:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["x"] + grid["w"] <= WIDTH
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_query_is_bound_to_the_variables(board) -> None:
    model = model_of(board)
    assert [variable["name"] for variable in model["templating"]["list"]] == ["datasource", "namespace"]
    for panel in model["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            assert "$namespace" in target["expr"] or "keda_" in target["expr"], target["expr"]


def test_what_may_lie_below_0_is_not_cut_off() -> None:
    panels = [panel for board in BOARDS for panel in model_of(board)["panels"] if "fieldConfig" in panel]
    from_nothing = {panel["title"] for panel in panels if "min" not in panel["fieldConfig"]["defaults"]}
    assert from_nothing == {"Growth", "Certificate"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_what_every_router_exports_is_added_up_over_namespaces_and_not_over_routers(board) -> None:
    told_alike = re.compile(r"mailyard_queue_(depth_mails|broker_messages|consumers)\b")
    for panel in board.panels:
        for query in panel.queries:
            if told_alike.search(query.expr):
                assert re.match(r"sum(?: by \(queue\) )?\(max by \(namespace(, queue)?\)", query.expr), (
                    query.expr
                )


def test_a_panel_that_needs_a_cluster_says_so() -> None:
    (board,) = [board for board in BOARDS if board.uid == "mailyard-autoscaling"]
    told = {
        panel["title"]: panel["description"] for panel in model_of(board)["panels"] if "description" in panel
    }
    assert told["Trigger values in KEDA"].endswith("Needs KEDA.")
    assert told["Restarts"].endswith("Needs kube-state-metrics.")
    assert "Needs" not in told["Queue depth"]
