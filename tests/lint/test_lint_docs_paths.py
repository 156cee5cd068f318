"""Pages that walk through the code name files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/architecture.md", "docs/design.md", "docs/flow.md")
_NAMED = re.compile(r"`((?:libs|services|tools|tests|bench|proto)/[\w./-]+)`|`([\w/]+\.py)`")


def missing(page: str, root: Path = ROOT) -> list[str]:
    """Return the files and folders that a page names and that do not exist, each with its line.

    A file without a folder belongs to the package that was named last in its line.
    """
    found: list[str] = []
    for number, line in enumerate(page.splitlines(), start=1):
        package = root
        for folder, file in _NAMED.findall(line):
            if folder and folder.count("/") == 1:
                package = root / folder
            is_there = (root / folder).exists() if folder else any(package.glob(f"**/{file}"))
            if not is_there:
                found.append(f"line {number}: {folder or file}")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_exist(page: str) -> None:
    assert missing((ROOT / page).read_text()) == []


def test_a_file_that_is_gone_is_found_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "libs/spool/src").mkdir(parents=True)
    (tmp_path / "libs/spool/src/row.py").touch()
    page = "# Page\n| `libs/spool` `row.py`, `gone.py` |\n| `libs/other` `row.py` |\n"
    assert missing(page, tmp_path) == ["line 2: gone.py", "line 3: libs/other", "line 3: row.py"]
