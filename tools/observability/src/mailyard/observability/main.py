"""`mailyard-observability`: generate the dashboards and rules of the chart, or list those that are out of date."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mailyard.observability import grafana, prometheusrule
from mailyard.observability.boards import BOARDS
from mailyard.observability.query import BadQuery, check
from mailyard.observability.rules import GROUPS, RECORDED

CHART = Path("charts/mailyard")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="mailyard-observability", description=__doc__)
    parser.add_argument("action", choices=("generate", "check"), help="write the files, or compare them")
    parser.add_argument(
        "--chart", type=Path, default=CHART, help="folder of the chart (default: %(default)s)"
    )
    arguments = parser.parse_args()
    try:
        files = generated()
    except BadQuery as error:
        sys.exit(f"mailyard-observability: {error}")
    if arguments.action == "check":
        sys.exit(_differences(arguments.chart, files))
    _write(arguments.chart, files)


def generated() -> dict[Path, str]:
    """Return every file by its path in the chart.

    Raises:
        BadQuery: a query names something that no package declares.

    """
    for query in _queries():
        check(query, RECORDED)
    boards = {Path("dashboards", f"{board.uid}.json"): grafana.render(board) for board in BOARDS}
    return boards | {Path("rules", f"{group.name}.yaml"): prometheusrule.render(group) for group in GROUPS}


def _queries() -> Iterator[str]:
    for board in BOARDS:
        yield from (query.expr for panel in board.panels for query in panel.queries)
    yield from (rule.expr for group in GROUPS for rule in group.rules)


def _write(chart: Path, files: dict[Path, str]) -> None:
    for path in _superfluous(chart, files):
        path.unlink()
    for name, text in files.items():
        path = chart / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _differences(chart: Path, files: dict[Path, str]) -> str | None:
    old = [name for name, text in files.items() if _text(chart / name) != text]
    wrong = [f"{chart / name} is not what the code says" for name in old]
    wrong += [f"{path} is written by nothing" for path in _superfluous(chart, files)]
    return "\n".join([*wrong, "run: mailyard-observability generate"]) if wrong else None


def _superfluous(chart: Path, files: dict[Path, str]) -> list[Path]:
    found = [*chart.glob("dashboards/*.json"), *chart.glob("rules/*.yaml")]
    return sorted(path for path in found if path.relative_to(chart) not in files)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    main()
