"""Values that a check changes for a while."""

from pathlib import Path
from unittest.mock import create_autospec

import pytest

from tests.cluster import surroundings
from tests.cluster.objects import Objects
from tests.cluster.programs import ProgramFailed, Programs
from tests.cluster.release import VALUES, Release


class Upgrades(Release):
    """Notes upgrades instead of running Helm; those whose number is given fail."""

    def __init__(self, folder: Path, *failing: int) -> None:
        (kubeconfig := folder / "kubeconfig").touch()
        read = surroundings.read({"KUBECONFIG": str(kubeconfig)})
        super().__init__(read, create_autospec(Programs), create_autospec(Objects))
        self._failing = failing
        self.extras: list[list[Path]] = []

    def upgrade(self, *_more: str, extra: object = ()) -> None:
        self.extras.append(list(extra))  # type: ignore[call-overload]
        if len(self.extras) in self._failing:
            raise ProgramFailed(f"upgrade {len(self.extras)}")


FAST = [VALUES / "autoscale.yaml"]


async def test_changed_values_are_taken_back_in_the_end(tmp_path: Path) -> None:
    release = Upgrades(tmp_path)
    async with release.changed(extra=FAST):
        assert release.extras == [FAST]
    assert release.extras == [FAST, []]


async def test_changed_values_are_taken_back_after_a_failure_which_is_reported(tmp_path: Path) -> None:
    release = Upgrades(tmp_path, 2)
    with pytest.raises(AssertionError, match="a mail is missing"):
        async with release.changed(extra=FAST):
            raise AssertionError("a mail is missing")
    assert release.extras == [FAST, []]


async def test_an_upgrade_that_fails_is_taken_back_too(tmp_path: Path) -> None:
    release = Upgrades(tmp_path, 1)
    with pytest.raises(ProgramFailed, match="upgrade 1"):
        async with release.changed(extra=FAST):
            pytest.fail("there are no such values")
    assert release.extras == [FAST, []]
