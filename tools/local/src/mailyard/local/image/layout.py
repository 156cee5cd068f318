"""Where things are in an image: below one folder, in two layers that change at different times."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders below the root, which is /opt/mailyard in an image."""

    root: Path

    @property
    def environment(self) -> Path:
        """The virtual environment with third-party packages, and the SBOM: the first layer."""
        return self.root / "environment"

    @property
    def packages(self) -> Path:
        """The third parties' modules."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.environment / "lib" / version / "site-packages"

    @property
    def python(self) -> Path:
        """The interpreter that the services run on."""
        return self.environment / "bin/python"

    @property
    def bill(self) -> Path:
        """The software bill of materials."""
        return self.environment / "sbom.cdx.json"

    @property
    def code(self) -> Path:
        """Mailyard's modules and commands: the second layer."""
        return self.root / "code"
