"""The Helm release under test: trial overlay, images of this run, and additional values of a check."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from mailyard.local.paths import REPOSITORY
from tests.cluster.objects import Objects
from tests.cluster.programs import ProgramFailed, Programs
from tests.cluster.surroundings import AccessKind, Surroundings
from tests.trial.waiting import wait_until

NAME = "mailyard"
CHART = REPOSITORY / "charts" / "mailyard"
CHART_IMAGES = "mailyard"  # its default image.repository
VALUES = Path(__file__).parent / "values"
INSTALL_SECONDS = 600
SETTLE_SECONDS = 300
GONE_SECONDS = 240
WAIT = ("--wait", "--wait-for-jobs", "--timeout", f"{INSTALL_SECONDS}s")


def files_over(surroundings: Surroundings) -> list[Path]:
    """Values files on top of the trial overlay: for the access, then those of the surroundings."""
    nodeport = [VALUES / "nodeport.yaml"] if surroundings.access is AccessKind.NODEPORT else []
    return [*nodeport, *surroundings.values]


def values_of(
    chart: Path, surroundings: Surroundings, extra: Sequence[Path] = (), tag: str | None = None
) -> list[str]:
    """Helm's arguments for the values: overlay, access, surroundings, check, images; the later one wins."""
    files = [chart / "values" / "trial.yaml", *files_over(surroundings), *extra]
    arguments = [part for file in files for part in ("--values", str(file))]
    images = {"repository": surroundings.image_repository, "tag": tag or surroundings.image_tag}
    return arguments + [part for key, value in images.items() for part in ("--set", f"image.{key}={value}")]


class Release:
    """One release in one namespace; every method waits for Helm, and raises ProgramFailed with its words."""

    def __init__(self, surroundings: Surroundings, programs: Programs, objects: Objects) -> None:
        self.surroundings = surroundings
        self._programs = programs
        self._objects = objects

    def exists(self) -> bool:
        """Whether Helm knows it."""
        listed = self._helm("list", "--all", "--short", "--filter", f"^{NAME}$")
        return NAME in listed.split()

    def chart(self) -> str:
        """Name and version of the chart that is installed, as Helm recorded it."""
        listed = json.loads(self._helm("list", "--all", "--filter", f"^{NAME}$", "--output", "json"))
        return str(listed[0]["chart"])

    def lint(self) -> None:
        """`helm lint --strict` with the values of this run."""
        arguments = values_of(CHART, self.surroundings)
        self._programs.run("helm", "lint", "--strict", str(CHART), *arguments)

    def dry_run(self) -> None:
        """Let the API server judge every object, and keep none."""
        arguments = values_of(CHART, self.surroundings)
        self._helm("install", NAME, str(CHART), "--dry-run=server", *arguments)

    def install(self, *, chart: Path = CHART, tag: str | None = None) -> None:
        """From nothing until everything is ready."""
        self._objects.make_namespace()
        arguments = values_of(chart, self.surroundings, tag=tag)
        self._helm("install", NAME, str(chart), *WAIT, *arguments, seconds=INSTALL_SECONDS + 60)

    def upgrade(self, *more: str, extra: Sequence[Path] = ()) -> None:
        """To the chart of this working copy, until everything is ready."""
        arguments = values_of(CHART, self.surroundings, extra)
        self._helm("upgrade", NAME, str(CHART), *WAIT, *arguments, *more, seconds=INSTALL_SECONDS + 60)
        self.settle()

    @contextlib.asynccontextmanager
    async def changed(self, *more: str, extra: Sequence[Path] = ()) -> AsyncIterator[None]:
        """Other values for a while; whatever happens, those of the run again. The first failure is reported."""
        try:
            await asyncio.to_thread(self.upgrade, *more, extra=extra)
            yield
        except BaseException:
            with contextlib.suppress(AssertionError):
                await asyncio.to_thread(self.upgrade)
            raise
        await asyncio.to_thread(self.upgrade)

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until every workload's pods are new and ready; raises NotReached."""
        wait_until(lambda: not self._objects.unsettled(), seconds=seconds, what="all workloads are ready")

    def test(self) -> str:
        """`helm test`: its canary's words."""
        return self._helm("test", NAME, "--logs", "--timeout", "180s", seconds=240)

    def uninstall(self) -> None:
        """Let Helm remove it."""
        self._helm("uninstall", NAME, "--wait", "--timeout", f"{GONE_SECONDS}s", seconds=GONE_SECONDS + 60)

    def wipe(self) -> None:
        """Remove the namespace with everything, volumes too, also when Helm fails to remove its part."""
        with contextlib.suppress(ProgramFailed):
            if self.exists():
                self.uninstall()
        self._objects.delete_namespace()
        wait_until(
            lambda: not self._objects.has_namespace(), seconds=GONE_SECONDS, what="the namespace is gone"
        )

    def _helm(self, *arguments: str, seconds: float = 120) -> str:
        return self._programs.run(
            "helm", "--namespace", self.surroundings.namespace, *arguments, seconds=seconds
        )
