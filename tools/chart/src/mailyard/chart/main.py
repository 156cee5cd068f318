"""`mailyard-chart [--check] [CHART]`: write README.md and values.schema.json of a chart from its values.yaml, and its services."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mailyard.chart.entries import BadComment, entries
from mailyard.chart.readme import readme_text
from mailyard.chart.schema import schema_text
from mailyard.chart.services import FILE, services_text

CHART: Final = Path("charts/mailyard")


def main(arguments: list[str] | None = None) -> None:
    """Write the files; with --check, exit 1 when one of them is out of date."""
    parser = argparse.ArgumentParser(prog="mailyard-chart", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, name the files that are out of date"
    )
    parser.add_argument("chart", nargs="?", type=Path, default=CHART, help="folder of the chart")
    options = parser.parse_args(arguments)
    try:
        wanted = files(options.chart)
    except (BadComment, OSError) as error:
        sys.exit(f"mailyard-chart: {error}")
    if options.check:
        sys.exit("".join(f"{path} is out of date: run make chart\n" for path in _old(wanted)) or 0)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


def files(chart: Path) -> Mapping[Path, str]:
    """Return each file with its text. Raises BadComment, OSError."""
    values = entries(chart.joinpath("values.yaml").read_text(encoding="utf-8"))
    template = chart.joinpath("README.template.md").read_text(encoding="utf-8")
    return {
        chart / "README.md": readme_text(template, values),
        chart / "values.schema.json": schema_text(values),
        chart / FILE: services_text(),
    }


def _old(wanted: Mapping[Path, str]) -> list[Path]:
    return [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    main()
