from mailyard.local.dockerfiles import COMPONENTS, closure, dockerfiles, packages
from mailyard.local.paths import REPOSITORY
from tests.images.content import BUDGETS


def test_each_dockerfile_copies_what_its_component_needs_today():
    stale = [
        path.relative_to(REPOSITORY)
        for path, text in dockerfiles(REPOSITORY).items()
        if path.read_text() != text
    ]
    assert stale == [], "run make dockerfiles"


def test_a_component_gets_no_other_component_and_no_tool_that_it_does_not_need():
    known = packages(REPOSITORY)
    for component in COMPONENTS:
        package = next(each for each in known.values() if each.folder == component.folder)
        folders = closure(package.name, known)
        shells = [folder for folder in folders if folder.startswith(("services/", "tools/"))]
        assert shells == ([component.folder] if component.name != "toolbox" else ["tools/cli", "tools/probe"])


def test_every_service_has_an_image_and_every_image_a_budget():
    services = {path.parent.name for path in REPOSITORY.glob("services/*/pyproject.toml")}
    assert {component.name for component in COMPONENTS} == services | {"toolbox"}
    assert set(BUDGETS) == services | {"toolbox"}
