"""Write the Dockerfile of each component: `python -m mailyard.local.dockerfiles`, with --check only compares.

They have one shape; what differs is which packages a component needs, so that a change elsewhere does not rebuild it.
That is read from the packages' own declarations.
"""

import argparse
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from mailyard.local.paths import REPOSITORY
from mailyard.runtime.services import SERVICES, TOOLBOX

_PACKAGES = ("proto", "libs/*", "services/*", "tools/*")
_TEMPLATE = Template("""\
# $title: $description
# Written by `make dockerfiles`, built by `make images`, explained in docs/images.md.
ARG BASE_IMAGE=python:3.13-slim-trixie

# What others made, as uv.lock names it; pip's settings in the base image say from where.
FROM $${BASE_IMAGE} AS dependencies
USER root
WORKDIR /build
ENV PYTHONPATH=/tools PYTHONDONTWRITEBYTECODE=1
COPY tools/local/src/mailyard/local/bootstrap.py \\
     tools/local/src/mailyard/local/debian.py \\
     tools/local/src/mailyard/local/pip.py /tools/mailyard/local/
COPY tools/local/src/mailyard/local/image /tools/mailyard/local/image
COPY pyproject.toml uv.lock ./
COPY $folder/pyproject.toml $folder/
RUN ["python3", "-m", "mailyard.local.image", "dependencies", "$package"]

# Our own code: these packages and no others.
FROM dependencies AS code
$copies
RUN ["python3", "-m", "mailyard.local.image", "code"]

FROM $${BASE_IMAGE}
COPY --from=dependencies /opt/mailyard/environment /opt/mailyard/environment
COPY --from=code /opt/mailyard/code /opt/mailyard/code
ENV PATH=/opt/mailyard/code/bin:/opt/mailyard/environment/bin:$$PATH \\
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1$settings
USER 10001:10001
${ports}ENTRYPOINT ["$command"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Mailyard $title" \\
      org.opencontainers.image.description="$description" \\
      org.opencontainers.image.licenses="Apache-2.0" \\
      org.opencontainers.image.version="$${VERSION}" \\
      org.opencontainers.image.revision="$${REVISION}" \\
      org.opencontainers.image.created="$${CREATED}" \\
      org.opencontainers.image.source="$${SOURCE}" \\
      org.mailyard.image.sbom="/opt/mailyard/environment/sbom.cdx.json"
""")
_SERVICE_SETTINGS = " \\\n    MAILYARD_HTTP_HOST=0.0.0.0 MAILYARD_HTTP_PORT=9100"


@dataclass(frozen=True, slots=True)
class Component:
    """One image: its name, its folder, and the ports on which it listens beside 9100."""

    name: str
    folder: str
    ports: tuple[int, ...] = ()


COMPONENTS = (
    *(Component(each.name, each.folder, tuple(port.number for port in each.ports)) for each in SERVICES),
    Component(TOOLBOX, "tools/cli"),
)


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the workspace, as its pyproject.toml declares it."""

    name: str
    folder: str
    description: str
    commands: tuple[str, ...]
    needs: tuple[str, ...]


def main() -> int:
    """Write or compare all of them."""
    parser = argparse.ArgumentParser(prog="python -m mailyard.local.dockerfiles", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which are not as they should be")
    check = parser.parse_args().check
    stale = [path for path, text in dockerfiles(REPOSITORY).items() if not _same(path, text)]
    if not check:
        for path in stale:
            path.write_text(dockerfiles(REPOSITORY)[path])
        return 0
    for path in stale:
        print(
            f"{path.relative_to(REPOSITORY)} is not what its packages need: run make dockerfiles",
            file=sys.stderr,
        )
    return 1 if stale else 0


def dockerfiles(repository: Path) -> dict[Path, str]:
    """Path and text of each."""
    known = packages(repository)
    return {repository / each.folder / "Dockerfile": dockerfile(each, known) for each in COMPONENTS}


def dockerfile(component: Component, known: Mapping[str, Package]) -> str:
    """The text of one."""
    package = next(each for each in known.values() if each.folder == component.folder)
    service = component.folder.startswith("services/")
    ports = " ".join(str(port) for port in (*component.ports, 9100))
    return _TEMPLATE.substitute(
        title=component.name,
        description=package.description,
        folder=component.folder,
        package=package.name,
        copies="\n".join(f"COPY {folder} {folder}" for folder in closure(package.name, known)),
        settings=_SERVICE_SETTINGS if service else "",
        ports=f"EXPOSE {ports}\n" if service else "",
        command=package.commands[0],
    )


def closure(name: str, known: Mapping[str, Package]) -> list[str]:
    """Folders of a package and of all packages of the workspace below it."""
    found = {name}
    waiting = [name]
    while waiting:
        new = set(known[waiting.pop()].needs) - found
        found |= new
        waiting += new
    return sorted(known[each].folder for each in found)


def packages(repository: Path) -> dict[str, Package]:
    """The packages of the workspace by name."""
    folders = (folder for pattern in _PACKAGES for folder in repository.glob(pattern))
    found = [_package(folder, repository) for folder in folders if (folder / "pyproject.toml").exists()]
    return {package.name: package for package in found}


def _package(folder: Path, repository: Path) -> Package:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return Package(
        name=project["name"],
        folder=str(folder.relative_to(repository)),
        description=project["description"],
        commands=tuple(project.get("scripts", ())),
        needs=tuple(need for need in project.get("dependencies", ()) if need.startswith("mailyard-")),
    )


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
