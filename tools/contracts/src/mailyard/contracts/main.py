"""`mailyard-contracts generate | check | extend`, run from the root of the repository.

check: the committed code is current, changes are additive, the baseline knows every contract. Exits 1 if not.
extend: takes additions into the baseline; refuses anything else.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mailyard.contracts import baseline
from mailyard.contracts.compatibility import violations
from mailyard.contracts.generation import CompilerError, descriptor_set, generate, stale


def main() -> None:
    """Run one command; the exit code is 0 when all is well."""
    parser = argparse.ArgumentParser(prog="mailyard-contracts", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--proto", type=Path, default=Path("proto"), help="folder of the contracts")
    arguments = parser.parse_args()
    try:
        problems = COMMANDS[arguments.command](arguments.proto)
    except CompilerError as error:
        problems = [str(error)]
    sys.exit("\n".join(problems) if problems else 0)


def _generate(proto: Path) -> list[str]:
    generate(proto, proto / "src")
    return []


def _check(proto: Path) -> list[str]:
    old, new = baseline.read(proto / "baseline.json"), descriptor_set(proto)
    broken = violations(old, new)
    if not broken and old != new:
        broken = ["baseline.json lacks the latest additions: run `mailyard-contracts extend`"]
    outdated = stale(proto, proto / "src")
    return broken + [f"{name} is not current: run `mailyard-contracts generate`" for name in outdated]


def _extend(proto: Path) -> list[str]:
    new = descriptor_set(proto)
    broken = violations(baseline.read(proto / "baseline.json"), new)
    if not broken:
        baseline.write(proto / "baseline.json", new)
    return broken


COMMANDS: dict[str, Callable[[Path], list[str]]] = {"generate": _generate, "check": _check, "extend": _extend}

if __name__ == "__main__":
    main()
