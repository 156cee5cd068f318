"""Settings: each is described, and an old name ends with the minor version that renames."""

import re
import tomllib

import pytest

from mailyard.local.paths import REPOSITORY
from mailyard.local.ports import HEALTH
from mailyard.local.settings import LocalSettings
from mailyard.runtime.catalogue import collect
from mailyard.runtime.renames import VersionAdded
from mailyard.runtime.settings import CommonSettings, renamed_variables, settings_class, variables

VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
CLASSES: list[type[CommonSettings]] = [*map(settings_class, HEALTH), LocalSettings]


def test_the_settings_class_of_a_service_is_the_one_that_its_module_defines() -> None:
    assert settings_class("smtp-in").__name__ == "SmtpInSettings"


@pytest.mark.parametrize("settings", CLASSES)
def test_every_setting_has_a_description_that_ends_with_a_full_stop(settings: type[CommonSettings]) -> None:
    wrong = [
        name for name, field in settings.model_fields.items() if not (field.description or "").endswith(".")
    ]
    assert wrong == []


@pytest.mark.parametrize("settings", CLASSES)
def test_an_old_name_of_a_setting_ends_with_the_minor_version_that_renames(
    settings: type[CommonSettings],
) -> None:
    assert [renamed for _, renamed in renamed_variables(settings) if renamed.is_over(VERSION)] == []


@pytest.mark.parametrize("settings", CLASSES)
def test_an_old_name_of_a_setting_belongs_to_no_other_setting(settings: type[CommonSettings]) -> None:
    old = [renamed.old for _, renamed in renamed_variables(settings)]
    assert sorted({*old, *variables(settings).values()}) == sorted([*old, *variables(settings).values()])


@pytest.mark.parametrize("settings", CLASSES)
def test_versions_of_settings_are_versions(settings: type[CommonSettings]) -> None:
    added = [
        each.version
        for field in settings.model_fields.values()
        for each in field.metadata
        if isinstance(each, VersionAdded)
    ]
    versions = [*added, *(renamed.version for _, renamed in renamed_variables(settings))]
    assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def test_an_old_name_of_a_metric_ends_with_the_minor_version_that_renames() -> None:
    metrics = collect().metrics.values()
    assert [each.name for each in metrics if each.renamed is not None and each.renamed.is_over(VERSION)] == []
