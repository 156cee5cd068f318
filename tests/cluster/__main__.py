"""`python -m tests.cluster`: checks the chart on a real cluster. Exit code 0: every check passed; 2: it cannot begin."""

import argparse
import asyncio
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from kubernetes.client.exceptions import ApiException

from mailyard.local.paths import REPOSITORY
from tests.chaos.reading import say
from tests.cluster import surroundings
from tests.cluster.checks import CHECKS, Check
from tests.cluster.objects import said
from tests.cluster.report import Report, Result, Stopwatch
from tests.cluster.subject import CheckSkipped, Subject, subject
from tests.cluster.surroundings import WrongSurroundings

OUTPUT = REPOSITORY / "var" / "cluster"
DOCS = REPOSITORY / "docs" / "operations" / "img"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args(arguments)
    if options.list:
        say("\n".join(f"{name:<14}{check.summary}" for name, check in CHECKS.items()))
        return 0
    try:
        read = surroundings.read()
    except WrongSurroundings as error:
        say(f"cluster-test: {error}")
        return 2
    output = Path(options.output)
    with subject(read, output, DOCS if options.write_docs else None) as under_test:
        try:
            report = run(under_test, options.only or list(CHECKS))
            report.write(output / "result.json")  # before the cluster is asked for anything again
        finally:
            removed = options.keep or _removed(under_test)
    say(f"{'PASSED' if report.passed else 'FAILED'}, details in {output / 'result.json'}")
    return 0 if report.passed and removed else 1


def _removed(under_test: Subject) -> bool:
    """Whether nothing is left of the run; what to do is said otherwise."""
    try:
        under_test.release.wipe()
    except (AssertionError, ApiException) as error:
        words = said(error) if isinstance(error, ApiException) else error
        namespace = under_test.surroundings.namespace
        say(f"cluster-test: {namespace} is still there ({words}): kubectl delete namespace {namespace}")
        return False
    return True


def run(under_test: Subject, names: Sequence[str]) -> Report:
    """The named checks, in their order; a line for each as it ends."""
    read = under_test.surroundings
    report = Report(under_test.objects.version(), f"{read.image_repository}/*:{read.image_tag}")
    say(
        f"Kubernetes {report.cluster}, namespace {read.namespace}, images {report.image}, by {read.access.value}"
    )
    for name, check in CHECKS.items():
        if name in names:
            result = _result(under_test, name, check)
            say(result.line())
            report.results.append(result)
    return report


def _result(under_test: Subject, name: str, check: Check) -> Result:
    watch = Stopwatch()
    try:
        if not check.from_nothing and not under_test.release.exists():
            say("    installing first")
            under_test.release.install()
            watch = Stopwatch()
        figures = asyncio.run(check.run(under_test))
    except CheckSkipped as reason:
        return Result(name, watch.seconds, {}, skipped=str(reason))
    except AssertionError as error:  # what was found
        return Result(name, watch.seconds, {}, str(error) or repr(error))
    except ApiException as error:
        return Result(name, watch.seconds, {}, f"the API server said {said(error)}")
    except Exception:  # a fault of ours, shown whole
        return Result(name, watch.seconds, {}, traceback.format_exc())
    return Result(name, watch.seconds, figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=list(CHECKS), metavar="CHECK", help="instead of all checks"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave release and namespace as they are in the end"
    )
    parser.add_argument("--list", action="store_true", help="print what each check is about, and end")
    parser.add_argument("--write-docs", action="store_true", help="put pictures into docs/operations/img")
    parser.add_argument("--output", default=str(OUTPUT), help="folder for results (default: var/cluster)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
