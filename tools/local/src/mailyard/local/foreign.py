"""Programs and sample mails of others that tests use: `python -m mailyard.local.foreign` fetches what is missing.

They are unpacked under var/ like everything else. Tests for which something is still missing say so and are skipped.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mailyard.local.debian import PackagesUnavailable, PackageTree, package_tree
from mailyard.local.paths import VAR

PROGRAMS: Mapping[str, str] = MappingProxyType(
    {
        "curl": "curl",
        "haproxy": "haproxy",
        "mbsync": "isync",
        "openssl": "openssl",
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "smtp-source": "postfix",
    }
)
SAMPLES: Mapping[str, str] = MappingProxyType(
    {"usr/lib/python3*/test/test_email/data/msg_01.txt": "libpython3.{minor}-testsuite"}
)
_ROOT = Path("/")


def main() -> None:
    """Fetch them; when that fails, print which tests are skipped."""
    tree = package_tree(VAR)
    for packages in (missing_programs(tree), missing_samples(tree)):
        if packages:
            _fetch(tree, packages)


def _fetch(tree: PackageTree, packages: Sequence[str]) -> None:
    what = ", ".join(packages)
    print(f"==> for tests: {what}, from this machine's package sources, into {tree.root}", flush=True)
    try:
        tree.install(packages)
    except (PackagesUnavailable, OSError) as error:
        print(f"Tests that need {what} will be skipped: {error}", file=sys.stderr)


def missing_programs(tree: PackageTree) -> list[str]:
    """The packages of programs that neither the machine nor the tree has."""
    return sorted({package for program, package in PROGRAMS.items() if tree.find(program) is None})


def missing_samples(tree: PackageTree) -> list[str]:
    """The same for sample mails, which the distribution keeps for its own version of Python."""
    minor = sys.version_info.minor
    return [package.format(minor=minor) for pattern, package in SAMPLES.items() if not _exists(pattern, tree)]


def _exists(pattern: str, tree: PackageTree) -> bool:
    return any(any(root.glob(pattern)) for root in (_ROOT, tree.root))


def use_tree(tree: PackageTree) -> None:
    """Add the tree's programs and libraries to the environment of this process and its children."""
    os.environ.update(tree.environment())


if __name__ == "__main__":
    main()
