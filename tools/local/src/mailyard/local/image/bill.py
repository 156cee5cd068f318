"""The bill of materials: uv's CycloneDX document of the lock, cut down to what is installed, the same in every build.

CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/; its serial number and time are optional and would differ every time.
"""

import json
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

from mailyard.local.image.layout import Layout


def write_bill(exported: Path, layout: Layout) -> None:
    """Turn the document that uv has exported into the image's."""
    licences = {normal(found): licence for found, licence in installed(layout.packages)}
    document = bill(json.loads(exported.read_text()), licences)
    layout.bill.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def installed(packages: Path) -> list[tuple[str, str | None]]:
    """Name and licence, as an SPDX expression where it is known, of every distribution in the folder."""
    found = [PathDistribution(folder).metadata for folder in sorted(packages.glob("*.dist-info"))]
    key = "License-Expression"
    return [(each["Name"], each[key] if key in each else None) for each in found]  # noqa: SIM401  # it has no get


def bill(document: dict[str, Any], licences: dict[str, str | None]) -> dict[str, Any]:
    """Return the document with the installed components and those of this repository, and their licences."""
    kept = [each for each in document["components"] if is_ours(each["name"]) or each["name"] in licences]
    for component in kept:
        licence = "Apache-2.0" if is_ours(component["name"]) else licences[component["name"]]
        if licence:
            component["licenses"] = [{"expression": licence}]
    references = {component["bom-ref"] for component in kept} | {document["metadata"]["component"]["bom-ref"]}
    return {
        **{key: value for key, value in document.items() if key != "serialNumber"},
        "metadata": {key: value for key, value in document["metadata"].items() if key != "timestamp"},
        "components": kept,
        "dependencies": [
            _among(each, references) for each in document["dependencies"] if each["ref"] in references
        ],
    }


def _among(dependency: dict[str, Any], references: set[str]) -> dict[str, Any]:
    return {
        **dependency,
        "dependsOn": [each for each in dependency.get("dependsOn", ()) if each in references],
    }


def is_ours(name: str) -> bool:
    """Return whether it is a package of this repository: those are in the second layer."""
    return name.startswith("mailyard-")


def normal(name: str) -> str:
    """A distribution's name as the lock writes it (PEP 503)."""
    return name.lower().replace("_", "-").replace(".", "-")
