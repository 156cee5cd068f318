"""`make images-check`: checks the images that were built, and builds some again. One line for each check."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

from mailyard.local.dockerfiles import COMPONENTS
from tests.images.archive import Image, NoImage
from tests.images.content import BUDGETS, MEGABYTE, problems
from tests.images.rebuild import Builder, BuildFailed, differences, rebuilt_without_need, say

NAMES = tuple(component.name for component in COMPONENTS)


def main() -> int:
    """Run all checks; exit 1 when one fails."""
    arguments = _arguments()
    builder = Builder(arguments.build, arguments.save, arguments.base_image, arguments.repository)
    passed = [
        _line(f"content of {name}", partial(_content, builder, name, arguments.tag))
        for name in arguments.images
    ]
    passed += [
        _line(f"two builds of {name} are the same", partial(differences, builder, name))
        for name in arguments.twice
    ]
    if not arguments.content_only:
        others = tuple(name for name in arguments.images if name != "imap")
        passed.append(
            _line("a change in imap builds imap alone", partial(rebuilt_without_need, builder, others))
        )
    return 0 if all(passed) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make images-check", description=__doc__)
    parser.add_argument("--build", required=True, help="command that builds an image")
    parser.add_argument(
        "--save", required=True, help="command that writes an image to its output, as docker save does"
    )
    parser.add_argument("--base-image", required=True, help="what the images stand on")
    parser.add_argument("--repository", required=True, help="what the images' names begin with")
    parser.add_argument("--tag", required=True, help="which images")
    parser.add_argument(
        "--images", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="only these"
    )
    parser.add_argument("--content-only", action="store_true", help="build nothing")
    parser.add_argument(
        *("--twice",),
        nargs="*",
        choices=NAMES,
        metavar="NAME",
        help="which to build twice; default: smtp-in toolbox",
    )
    arguments = parser.parse_args()
    if arguments.twice is None:
        arguments.twice = () if arguments.content_only else ("smtp-in", "toolbox")
    return arguments


def _line(what: str, check: Callable[[], list[str]]) -> bool:
    started = time.monotonic()
    try:
        found = check()
    except (NoImage, BuildFailed) as error:
        found = [str(error)]
    say(f"{'FAIL' if found else 'ok  '} {what} ({time.monotonic() - started:.1f} s)")
    for problem in found[:20]:
        say(f"     {problem}")
    return not found


def _content(builder: Builder, name: str, tag: str) -> list[str]:
    image = builder.saved(name, tag)
    say(f"     {_sizes(image)}, budget {BUDGETS[name]} MB")
    return problems(name, image)


def _sizes(image: Image) -> str:
    layers = " + ".join(f"{layer.size / MEGABYTE:.1f}" for layer in image.layers)
    return f"{image.size / MEGABYTE:.1f} MB above the base ({layers})"


if __name__ == "__main__":
    sys.exit(main())
