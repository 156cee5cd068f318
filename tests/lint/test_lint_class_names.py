"""The check that a class name exists once."""

from pathlib import Path

from tests.lint.class_names import shared_names, sources


def test_two_classes_of_one_name_are_found_with_their_places(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("class Route:\n    class State:\n        pass\n")
    second.write_text("\n\nclass Route:\n    pass\n")
    assert shared_names([first, second]) == [
        f"class Route stands at {first}:1 and at {second}:3; give each class a name of its own"
    ]


def test_the_check_reads_libraries_and_services() -> None:
    read = {path.parts[0] for path in sources()}
    assert read == {"libs", "services"}
