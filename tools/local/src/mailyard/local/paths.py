"""Where the repository is: local mode runs from a checkout, never from an installed package."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[5]
VAR = REPOSITORY / "var"
