"""`python -m mailyard.local.image dependencies PACKAGE`, then `... code`: run by the Dockerfiles, in this order.

The first makes the environment with everything of third parties that the package needs, as uv.lock names it.
The second adds our own packages that are in the current directory, and needs no network.
"""

import argparse
import sys
from pathlib import Path

from mailyard.local.bootstrap import BootstrapFailed
from mailyard.local.image.code import add_code
from mailyard.local.image.dependencies import add_dependencies
from mailyard.local.image.layout import Layout
from mailyard.local.pip import PipFailed


def main() -> int:
    """Work for the repository, or the part of it, in the current directory."""
    parser = argparse.ArgumentParser(prog="python -m mailyard.local.image", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/opt/mailyard"), help="folder to fill")
    steps = parser.add_subparsers(dest="step", required=True)
    dependencies = steps.add_parser("dependencies", help="the environment and what third parties made")
    dependencies.add_argument("package", help="package of the workspace that the image runs")
    steps.add_parser("code", help="our own packages")
    arguments = parser.parse_args()
    layout = Layout(arguments.root)
    try:
        if arguments.step == "dependencies":
            add_dependencies(Path.cwd(), layout, arguments.package)
        else:
            add_code(Path.cwd(), layout)
    except (BootstrapFailed, PipFailed) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
