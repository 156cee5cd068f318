"""The second layer: the packages of this repository, built from the folders that are in the repository, without the network."""

from pathlib import Path

from mailyard.local.bootstrap import Uv, find_uv, run, step
from mailyard.local.image.dependencies import backend_folder
from mailyard.local.image.layout import Layout
from mailyard.local.image.tidy import compile_modules, remove_clutter, set_times

_PACKAGES = ("proto", "libs/*", "services/*", "tools/*")


def add_code(repository: Path, layout: Layout) -> None:
    """Install every package whose folder is present; the Dockerfile copies the folders."""
    folders = package_folders(repository)
    step(f"our own: {' '.join(str(folder.relative_to(repository)) for folder in folders)}")
    found = find_uv(repository, layout.environment)
    backend = {"PYTHONPATH": str(backend_folder(repository)), "UV_OFFLINE": "1"}
    uv = Uv(found.program, {**found.settings, **backend}, repository)
    options = ("--no-deps", "--no-build-isolation", "--link-mode", "copy", "--target", str(layout.code))
    uv.run("pip", "install", "--python", str(layout.python), *options, *map(str, folders))
    remove_clutter(layout.code)
    compile_modules(layout.python, layout.code)
    _import_all(layout)
    set_times(layout.code)


def package_folders(repository: Path) -> list[Path]:
    """The folders with a package's source."""
    found = (folder for pattern in _PACKAGES for folder in repository.glob(pattern))
    return sorted(
        folder for folder in found if (folder / "src").is_dir() and (folder / "pyproject.toml").exists()
    )


def _import_all(layout: Layout) -> None:
    """Show that nothing is missing; a `__main__` does its work when it is imported."""
    files = sorted(path.relative_to(layout.code) for path in (layout.code / "mailyard").rglob("*.py"))
    modules = [path.with_suffix("").parts for path in files if path.name != "__main__.py"]
    names = ", ".join(".".join(parts).removesuffix(".__init__") for parts in modules)
    run((str(layout.python), "-B", "-c", f"import {names}"), {}, layout.root)
