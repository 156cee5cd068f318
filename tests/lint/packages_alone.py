"""Install each package of the workspace alone and import all its modules: `python -m tests.lint.packages_alone`.

In the shared environment any package can import any dependency; alone it has only what it declares.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from mailyard.local.bootstrap import uv_settings
from mailyard.local.paths import REPOSITORY, VAR
from mailyard.local.pip import find_pip

ENVIRONMENT = VAR / "packages"
SECONDS = 300


def main() -> None:
    """Check every package; exit with 1 when one lacks a dependency."""
    env = {**uv_settings(find_pip(VAR).settings(), os.environ), "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT)}
    env.pop("VIRTUAL_ENV", None)
    problems = [problem for folder in packages() if (problem := lacks(folder, env))]
    sys.exit("\n".join(problems) or 0)


def packages() -> list[Path]:
    """Return the folders of the workspace's members."""
    members = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    return sorted(folder for member in members for folder in REPOSITORY.glob(member))


def modules(folder: Path) -> list[str]:
    """Return the names of all modules of a package; a `__main__` does its work when it is imported."""
    source = folder / "src"
    files = sorted(path.relative_to(source) for path in source.rglob("*.py") if path.name != "__main__.py")
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files]


def lacks(folder: Path, env: Mapping[str, str]) -> str | None:
    """Install one package without the others and import its modules; return what went wrong."""
    name = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
    sync = (str(VAR / "uv/bin/uv"), "sync", "--quiet", "--frozen", "--no-dev", "--package", name)
    imports = (str(ENVIRONMENT / "bin/python"), "-c", f"import {', '.join(modules(folder))}")
    for command in (sync, imports):
        done = subprocess.run(
            command, cwd=REPOSITORY, env=env, check=False, text=True, capture_output=True, timeout=SECONDS
        )
        if done.returncode != 0:
            return f"{name} does not stand alone: {done.stderr.strip()}"
    return None


if __name__ == "__main__":
    main()
