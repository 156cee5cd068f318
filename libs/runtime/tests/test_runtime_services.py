"""The catalogue of services is the list of folders, and nothing in it is used twice."""

from pathlib import Path

from mailyard.runtime.services import NAMES, SERVICES

REPOSITORY = Path(__file__).parents[3]


def test_every_folder_of_services_is_in_the_catalogue_and_every_entry_has_its_folder():
    folders = {path.parent.name for path in (REPOSITORY / "services").glob("*/pyproject.toml")}
    assert set(NAMES) == folders
    assert [service.name for service in SERVICES if not (REPOSITORY / service.folder / "src").is_dir()] == []


def test_the_package_of_a_service_is_in_its_folder():
    for service in SERVICES:
        assert (REPOSITORY / service.folder / "src/mailyard" / service.package / "main.py").is_file()


def test_no_port_and_no_name_is_used_twice():
    ports = [service.http_port for service in SERVICES]
    ports += [port.number for service in SERVICES for port in service.ports]
    assert len(set(ports)) == len(ports)
    names = [port.name for service in SERVICES for port in service.ports]
    assert len(set(names)) == len(names)
    public = [port.public for service in SERVICES for port in service.ports if port.public]
    assert len(set(public)) == len(public)
