"""The rules name every package of the workspace: a package that no rule names could import anything."""

import tomllib

import yaml

from mailyard.local.paths import REPOSITORY
from mailyard.local.ports import HEALTH
from tests.lint.file_size import sources, too_long
from tests.lint.packages_alone import modules, packages

ROOT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def top_modules() -> set[str]:
    return {f"mailyard.{path.name}" for folder in packages() for path in (folder / "src/mailyard").iterdir()}


def test_the_import_rules_know_every_package():
    assert set(ROOT["tool"]["importlinter"]["root_packages"]) == top_modules()


def test_every_package_belongs_to_a_layer():
    layers = ROOT["tool"]["importlinter"]["contracts"][0]["layers"]
    assert {package.strip() for layer in layers for package in layer.split("|")} == top_modules()


def test_the_type_checker_sees_every_package():
    expected = {str(folder.relative_to(REPOSITORY) / "src") for folder in packages()}
    assert set(ROOT["tool"]["mypy"]["mypy_path"]) >= expected


def test_local_mode_runs_every_service_and_every_service_has_a_dockerfile():
    services = {folder.name for folder in packages() if folder.parent.name == "services"}
    assert services == set(HEALTH)
    assert [name for name in services if not (REPOSITORY / "services" / name / "Dockerfile").exists()] == []


def test_packages_and_chart_have_one_version_and_the_chart_runs_its_images():
    stated = {
        str(folder.relative_to(REPOSITORY)): tomllib.loads((folder / "pyproject.toml").read_text())[
            "project"
        ]["version"]
        for folder in packages()
    }
    chart = yaml.safe_load((REPOSITORY / "charts/mailyard/Chart.yaml").read_text())
    stated |= {f"Chart.yaml: {key}": chart[key] for key in ("version", "appVersion")}
    assert {name: text for name, text in stated.items() if text != ROOT["project"]["version"]} == {}


def test_a_version_is_not_there_without_a_word_on_how_to_upgrade_to_it():
    assert f"\n### {ROOT['project']['version']}\n" in (REPOSITORY / "UPGRADING.md").read_text()


def test_a_file_that_is_too_long_is_named_with_its_length(tmp_path):
    (tmp_path / "long.py").write_text("x = 1\n" * 601)
    (tmp_path / "short.py").write_text("x = 1\n" * 600)
    (tmp_path / "long.yaml").write_text("x: 1\n" * 901)
    (tmp_path / "short.yaml").write_text("x: 1\n" * 900)
    assert too_long(sorted(tmp_path.iterdir())) == [
        f"{tmp_path}/long.py: 601 lines; at most 600 are permitted; divide the file by concern",
        f"{tmp_path}/long.yaml: 901 lines; at most 900 are permitted; divide the file by concern",
    ]


def test_generated_code_may_be_as_long_as_it_likes():
    assert [path for path in sources() if path.name.endswith("_pb2.py")] == []


def test_all_modules_of_a_package_are_tried_but_not_those_that_work_when_imported():
    found = modules(REPOSITORY / "tools/local")
    assert "mailyard.local.supervisor" in found
    assert "mailyard.local" in found
    assert "mailyard.local.__main__" not in found
