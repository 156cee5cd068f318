"""The requirements on every image, checked in its saved archive: small, tidy, not root's to run, and with a bill of materials."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mailyard.local.image.tidy import TIME
from tests.images.archive import ROOT, File, Image, is_ours

MEGABYTE = 1_000_000
BUDGETS = {  # megabytes in files above the base
    "smtp-in": 65,
    "router": 65,
    "filter": 65,
    "delivery": 65,
    "relay": 65,
    "imap": 65,
    "toolbox": 170,
}
LABELS = ("title", "description", "version", "revision", "source", "licenses", "created")
INTERPRETER = b"#!/opt/mailyard/environment/bin/python\n"
BILL_LABEL = "org.mailyard.image.sbom"
_CLUTTER = ("/tests/", "/pip/", "/uv/", "/hatchling/", "/.lock", "/RECORD", "/direct_url.json")


def problems(component: str, image: Image) -> list[str]:
    """What is wrong with an image, in sentences."""
    found = [*_configuration(image.config), *_command(image), *_layers(image), *_bill(image)]
    found += [problem for file in image.files() for problem in _file(file)]
    if image.size > BUDGETS[component] * MEGABYTE:
        found.append(f"{image.size / MEGABYTE:.1f} MB are more than the budget of {BUDGETS[component]} MB")
    return [f"{component}: {problem}" for problem in found]


def _configuration(config: Mapping[str, Any]) -> Iterator[str]:
    if config["User"] != "10001:10001":
        yield f"runs as {config['User']!r}, not as 10001:10001"
    if len(config["Entrypoint"]) != 1 or not config["Entrypoint"][0].startswith("mailyard"):
        yield f"its entry point {config['Entrypoint']} is not one command of ours without a shell"
    labels = config.get("Labels") or {}
    for label in LABELS:
        if not labels.get(f"org.opencontainers.image.{label}"):
            yield f"has no label org.opencontainers.image.{label}"


def _command(image: Image) -> Iterator[str]:
    """The kernel starts the interpreter itself."""
    path = f"{ROOT}/code/bin/{image.config['Entrypoint'][0]}"
    octets = next((file.octets for file in image.files() if file.path == path), b"")
    if not octets.startswith(INTERPRETER):
        yield f"/{path} does not begin with {INTERPRETER.decode().strip()}"


def _layers(image: Image) -> Iterator[str]:
    if len(image.layers) != 2:
        yield f"adds {len(image.layers)} layers to the base, not two"
    for file in image.files():
        if not is_ours(file.path):
            yield f"{file.path} is outside /opt/mailyard"


def _file(file: File) -> Iterator[str]:
    if file.time != TIME:
        yield f"{file.path} has a time of its own"
    if file.owner != (0, 0) or (file.kind != "link" and file.mode & 0o022):
        yield f"{file.path} can be changed by others than root"
    if any(part in f"/{file.path}" for part in _CLUTTER):
        yield f"{file.path} is of no use at run time"
    if b"/build/" in file.octets and "/code/" in file.path:
        yield f"{file.path} names the folder of the build"


def _bill(image: Image) -> Iterator[str]:
    """The document that the label names lists every distribution in the image, and no other."""
    path = (image.config.get("Labels") or {}).get(BILL_LABEL, "")
    document = next((file.octets for file in image.files() if f"/{file.path}" == path), None)
    if document is None:
        yield f"has no bill of materials at {path!r}, which its label {BILL_LABEL} names"
        return
    bill = json.loads(document)
    listed = {each["name"] for each in (*bill["components"], bill["metadata"]["component"])}
    for name in sorted(listed ^ set(distributions(image))):
        yield f"{name} is in the bill of materials or in the image, not in both"


def distributions(image: Image) -> list[str]:
    """Names of all distributions in the image, by their folders."""
    folders = [
        part for file in image.files() for part in file.path.split("/")[:-1] if part.endswith(".dist-info")
    ]
    return sorted(
        {folder.partition("-")[0].lower().replace("_", "-").replace(".", "-") for folder in folders}
    )
