import json
import os
import sys
from pathlib import Path

from mailyard.local.image.bill import bill, write_bill
from mailyard.local.image.code import package_folders
from mailyard.local.image.layout import Layout
from mailyard.local.image.tidy import TIME, compile_modules, remove_clutter, set_times


def component(name: str) -> dict[str, object]:
    return {"bom-ref": f"{name}@1", "name": name}


DOCUMENT = {
    "serialNumber": "urn:uuid:1",
    "metadata": {"timestamp": "2026-01-01T00:00:00Z", "component": component("mailyard-imap")},
    "components": [component("mailyard-store"), component("yarl"), component("colorama")],
    "dependencies": [
        {"ref": "mailyard-imap@1", "dependsOn": ["yarl@1", "colorama@1"]},
        {"ref": "colorama@1", "dependsOn": []},
    ],
}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_bill_holds_what_is_installed_with_licences_and_nothing_that_changes_from_build_to_build():
    found = bill(DOCUMENT, {"yarl": "Apache-2.0"})
    assert found == {
        "metadata": {"component": component("mailyard-imap")},
        "components": [
            {**component("mailyard-store"), "licenses": [{"expression": "Apache-2.0"}]},
            {**component("yarl"), "licenses": [{"expression": "Apache-2.0"}]},
        ],
        "dependencies": [{"ref": "mailyard-imap@1", "dependsOn": ["yarl@1"]}],
    }


def test_names_and_licences_of_the_bill_come_from_the_installed_distributions(tmp_path):
    layout = Layout(tmp_path)
    metadata = "Metadata-Version: 2.4\nName: Yarl\nVersion: 1\nLicense-Expression: MIT\n"
    write(layout.packages / "yarl-1.dist-info/METADATA", metadata)
    write_bill(write(tmp_path / "exported.json", json.dumps(DOCUMENT)), layout)
    components = json.loads(layout.bill.read_text())["components"]
    assert [(each["name"], each["licenses"]) for each in components] == [
        ("mailyard-store", [{"expression": "Apache-2.0"}]),
        ("yarl", [{"expression": "MIT"}]),
    ]


def test_clutter_goes_and_code_names_and_licences_stay(tmp_path):
    kept = ("a/x.py", "a/py.typed", "a-1.dist-info/METADATA", "a-1.dist-info/licenses/LICENSE", "a/RECORD")
    gone = (
        "kubernetes/aio/x.py",
        "a/x.pyi",
        "a/tests/t.py",
        "a/__pycache__/x.pyc",
        ".lock",
        "a-1.dist-info/RECORD",
        "a/x.proto",
    )
    for path in (*kept, *gone):
        write(tmp_path / path)
    remove_clutter(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted(kept)


def test_a_folder_is_compiled_to_the_same_bytes_whenever_it_was_written(tmp_path):
    compiled = []
    for time in (1_000_000_000, 2_000_000_000):
        module = write(tmp_path / "x.py", "NAMES = frozenset({'a', 'b', 'c'})\n")
        os.utime(module, (time, time))
        compile_modules(Path(sys.executable), tmp_path)
        found = next((tmp_path / "__pycache__").iterdir())
        compiled.append(found.read_bytes())
        found.unlink()
    assert compiled[0] == compiled[1]


def test_everything_gets_the_one_time_links_and_folders_too(tmp_path):
    write(tmp_path / "a/x.py")
    (tmp_path / "a/link").symlink_to("nowhere")
    set_times(tmp_path)
    times = {int(path.lstat().st_mtime) for path in (tmp_path, *tmp_path.rglob("*"))}
    assert times == {TIME}


def test_packages_are_the_folders_with_source_and_no_others(tmp_path):
    for folder in ("proto", "libs/store", "services/imap"):
        write(tmp_path / folder / "pyproject.toml")
        write(tmp_path / folder / "src/x.py")
    write(tmp_path / "services/relay/pyproject.toml")
    found = [str(folder.relative_to(tmp_path)) for folder in package_folders(tmp_path)]
    assert found == ["libs/store", "proto", "services/imap"]
