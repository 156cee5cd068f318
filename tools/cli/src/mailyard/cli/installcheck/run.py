"""One run of install-check: check, then print."""

import sys
from pathlib import Path

import typer

from mailyard.cli.installcheck.after import look_after
from mailyard.cli.installcheck.before import look_before
from mailyard.cli.installcheck.examine import Report
from mailyard.cli.installcheck.options import Moment, Options
from mailyard.cli.installcheck.report import has_errors, show_report
from mailyard.runtime.logs import configure_logs


def run(options: Options, config: Path | None, *, as_json: bool) -> bool:
    """Run the checks, print the findings, and return whether there are errors."""
    configure_logs("cli", "error", "console", stream=sys.stderr)
    report = Report(_progress)
    if options.moment is Moment.AFTER:
        look_after(report, options, config)
    else:
        look_before(report, options)
    show_report(report.lines, as_json=as_json)
    return has_errors(report.lines)


def _progress(area: str) -> None:
    """Print the progress to standard error; programs read standard output only."""
    if sys.stderr.isatty():
        typer.echo(f"{area} ...", err=True)
