"""skaffold.yaml of this working copy, changed for a run: namespace, values files, existing images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mailyard.local.paths import REPOSITORY
from tests.cluster.images import OURS
from tests.cluster.programs import Programs
from tests.cluster.release import CHART_IMAGES

CONFIG = REPOSITORY / "skaffold.yaml"
DEPLOY_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What differs from the file."""

    namespace: str
    values: Sequence[Path]
    repository: str
    tag: str


@dataclass(frozen=True, slots=True)
class Load:
    """What the job of the load module sends."""

    mails: int
    recipients: tuple[str, ...]

    def expected(self) -> dict[str, int]:
        """Mails by mailbox: recipients take turns."""
        each, more = divmod(self.mails, len(self.recipients))
        return {address: each + (index < more) for index, address in enumerate(self.recipients)}


class Skaffold:
    """The program, with a configuration of this run in a folder; raises ProgramFailed."""

    def __init__(self, programs: Programs, folder: Path, wanted: Wanted) -> None:
        self._programs = programs
        self._folder = folder
        self._images = f"--images={','.join(images(wanted))}"
        self._config = folder / "skaffold.yaml"
        self._config.write_text(yaml.safe_dump_all(configured(folder, wanted), sort_keys=False))

    def diagnose(self) -> None:
        """Judge the file as it is in the working copy."""
        self._run("diagnose", CONFIG, "--yaml-only")

    def render(self, module: str) -> list[dict[str, Any]]:
        """The objects that a module would deploy, without asking the cluster."""
        output = self._folder / "rendered.yaml"
        options = ("--offline=true", "--digest-source=tag", f"--output={output}", self._images)
        self._run("render", self._config, f"--module={module}", *options)
        return [one for one in yaml.safe_load_all(output.read_text()) if one]

    def deploy(self, module: str) -> None:
        """A module and what it requires, until Skaffold sees it ready."""
        options = ("--load-images=false", "--tail=false", self._images)
        self._run("deploy", self._config, f"--module={module}", *options, seconds=DEPLOY_SECONDS)

    def delete(self, module: str) -> None:
        """Remove a module and what it requires."""
        self._run("delete", self._config, f"--module={module}", seconds=300)

    def _run(self, command: str, config: Path, *options: str, seconds: float = 120) -> None:
        quiet = ("--interactive=false", "--update-check=false")
        self._programs.run("skaffold", command, f"--filename={config}", *quiet, *options, seconds=seconds)


def images(wanted: Wanted) -> list[str]:
    """Names in the file, each with the image to take."""
    return [f"{CHART_IMAGES}/{one}={wanted.repository}/{one}:{wanted.tag}" for one in OURS]


def configured(folder: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The documents of the file, with absolute paths; manifests with another namespace go to the folder."""
    for document in yaml.safe_load_all(CONFIG.read_text()):
        document.pop("portForward", None)
        document.pop("profiles", None)
        if "build" in document:
            document["build"]["tagPolicy"] = {"sha256": {}}  # nothing is built: inputs need not be read
        for release in document["deploy"].get("helm", {}).get("releases", []):
            _move_release(release, wanted)
        manifests = document.get("manifests", {})
        for index, path in enumerate(manifests.get("rawYaml", [])):
            manifests["rawYaml"][index] = str(_moved(REPOSITORY / path, folder, wanted.namespace))
        yield document


def load(rendered: Sequence[Mapping[str, Any]]) -> Load:
    """What is sent, by the arguments of the job; raises LookupError when there is no such job."""
    job = next((one for one in rendered if one["metadata"]["name"] == "mailyard-load"), None)
    if job is None:
        raise LookupError("nothing rendered is called mailyard-load")
    arguments = [each.partition("=") for each in job["spec"]["template"]["spec"]["containers"][0]["args"]]
    mails = next(int(value) for name, _, value in arguments if name == "--mails")
    return Load(mails, tuple(value for name, _, value in arguments if name == "--recipient"))


def _move_release(release: dict[str, Any], wanted: Wanted) -> None:
    release["namespace"] = wanted.namespace
    release["chartPath"] = str(REPOSITORY / release["chartPath"])
    files = [*(REPOSITORY / path for path in release["valuesFiles"]), *wanted.values]
    release["valuesFiles"] = [str(path) for path in files]
    if wanted.repository != CHART_IMAGES:
        release["setValues"] = {**release.get("setValues", {}), "image.repository": wanted.repository}


def _moved(manifest: Path, folder: Path, namespace: str) -> Path:
    documents = list(yaml.safe_load_all(manifest.read_text()))
    for document in documents:
        document["metadata"]["namespace"] = namespace
    (moved := folder / manifest.name).write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return moved
