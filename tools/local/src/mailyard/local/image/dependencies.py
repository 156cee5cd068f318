"""The first layer: a virtual environment with what uv.lock names for one package, and its bill of materials.

The repository needs to hold no more than pyproject.toml, uv.lock and the package's own pyproject.toml, so that no change
of code comes near this layer.
"""

from pathlib import Path

from mailyard.local.bootstrap import Uv, find_uv, make_environment, step
from mailyard.local.image.bill import write_bill
from mailyard.local.image.layout import Layout
from mailyard.local.image.tidy import compile_modules, remove_clutter, set_times

BACKEND = "hatchling==1.33.0"
_EXPORT = ("export", "--frozen", "--quiet", "--no-dev")


def add_dependencies(repository: Path, layout: Layout, package: str) -> None:
    """Make the environment with no commands but Python's; it finds the code in the second layer."""
    make_environment(layout.environment)
    uv = find_uv(repository, layout.environment)
    _install_locked(uv, layout, package)
    _install_backend(uv, layout)
    (layout.packages / "mailyard.pth").write_text(f"{layout.code}\n")
    step("bill of materials, tidying, compiling")
    exported = repository / "var/sbom.json"
    uv.run(*_EXPORT, "--package", package, "--format", "cyclonedx1.5", "--output-file", str(exported))
    write_bill(exported, layout)
    for command in (layout.environment / "bin").iterdir():
        if not command.name.startswith("python"):
            command.unlink()
    remove_clutter(layout.environment)
    compile_modules(layout.python, layout.packages)
    set_times(layout.environment)


def backend_folder(repository: Path) -> Path:
    """Return the folder that keeps the build backend for the next step; it is never in the image."""
    return repository / "var/backend"


def _install_locked(uv: Uv, layout: Layout, package: str) -> None:
    """By a list of versions and hashes: the lock names every file by its address, and the index may be another."""
    step(f"what {package} needs, as uv.lock names it")
    listed = str(uv.repository / "var/requirements.txt")
    uv.run(*_EXPORT, "--package", package, "--no-emit-workspace", "--output-file", listed)
    uv.run("pip", "sync", "--python", str(layout.python), "--link-mode", "copy", listed)


def _install_backend(uv: Uv, layout: Layout) -> None:
    step(BACKEND)
    target = str(backend_folder(uv.repository))
    uv.run("pip", "install", "--python", str(layout.python), "--target", target, BACKEND)
