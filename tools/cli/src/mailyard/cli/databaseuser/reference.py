"""Write the tables of docs/operations/database-rights.md from the table of rights: `python -m mailyard.cli.databaseuser.reference`.

`--check` compares them.
"""

import sys
from pathlib import Path

from mailyard.cli.databaseuser.rights import COLLECTIONS, RIGHTS, ServiceRights

PAGE = Path("docs/operations/database-rights.md")
_BEGIN = "<!-- tables -->\n"
_END = "<!-- end of tables -->\n"


def page(text: str) -> str:
    """Return the page with current tables."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_tables()}{_END}{after}"


def _tables() -> str:
    services = list(RIGHTS.values())
    rights = [
        _line(["collection", *RIGHTS]),
        _line(["---"] * (len(RIGHTS) + 1)),
        *(_line([f"`{name}`", *(_letters(each, name) for each in services)]) for name in COLLECTIONS),
    ]
    reads = [
        _line(["service", "what its user can see"]),
        _line(["---", "---"]),
        *(_line([each.service, each.sees]) for each in services),
    ]
    return "\n".join([*rights, "", *reads]) + "\n"


def _letters(rights: ServiceRights, collection: str) -> str:
    letters = {"R": rights.read, "I": rights.insert, "U": rights.update, "D": rights.remove}
    return "".join(letter for letter, collections in letters.items() if collection in collections) or "-"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the tables, or say that they are old."""
    text = PAGE.read_text()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if text == page(text) else f"{PAGE} is not what the code says: run make docs")
    PAGE.write_text(page(text))


if __name__ == "__main__":
    main()
