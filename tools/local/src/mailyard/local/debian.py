"""Debian packages unpacked into a folder below `var/`: root is not needed and nothing else on the machine changes.

Only the standard library is used here: this runs before there is a virtual environment.
"""

import os
import platform
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_APT_TIMEOUT_SECONDS = 900
_ERLANG = "usr/lib/erlang"


class PackagesUnavailable(Exception):
    """apt is missing or could not fetch the packages; the text contains its output."""


@dataclass(frozen=True, slots=True)
class PackageTree:
    """A folder that looks like the root of a file system and holds the unpacked packages."""

    root: Path

    def find(self, program: str) -> Path | None:
        """The program in this machine's PATH, else in the tree."""
        found = shutil.which(program, path=self.environment()["PATH"])
        return Path(found) if found else None

    def environment(self) -> dict[str, str]:
        """Return the variables with which a program of the tree finds its libraries and the other programs."""
        if not self.root.exists():
            return {"PATH": os.environ.get("PATH", os.defpath)}
        usr = self.root / "usr"
        programs = [
            usr / "bin",
            usr / "sbin",
            usr / "lib/rabbitmq/bin",
            self.root / "bin",
            self.root / "sbin",
        ]
        libraries = [path for base in (usr / "lib", self.root / "lib") for path in _library_folders(base)]
        shared = [*_own_library_folder(), *libraries]
        return {"PATH": _after("PATH", programs), "LD_LIBRARY_PATH": _after("LD_LIBRARY_PATH", shared)}

    def install(self, packages: Sequence[str]) -> None:
        """Fetch the packages and the dependencies that the machine lacks, and unpack them."""
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise PackagesUnavailable("This is neither Debian nor Ubuntu: there is no apt-get.")
        archives = self.root / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        apt = _Apt(self.root)
        apt.update()
        apt.download(apt.missing(packages), archives)
        for archive in sorted(archives.glob("*.deb")):
            _run(("dpkg-deb", "--extract", str(archive), str(self.root)))
            archive.unlink()
        _move_erlang(self.root)


@dataclass(frozen=True, slots=True)
class _Apt:
    """apt-get with lists and cache of its own, reading the machine's sources and its list of installed packages."""

    root: Path

    def update(self) -> None:
        """Ignore a source that fails: perhaps it is not needed, and the download shows whether it is."""
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(
            self._command("update"), check=False, capture_output=True, timeout=_APT_TIMEOUT_SECONDS
        )

    def missing(self, packages: Sequence[str]) -> list[str]:
        """Return the packages that apt-get would install now; its lines read "Inst erlang-base (1:25.2.3 ...)"."""
        plan = _run(self._command("--simulate", "--no-install-recommends", "install", *packages))
        return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]

    def download(self, packages: Sequence[str], folder: Path) -> None:
        if packages:
            _run(self._command("download", *packages), folder)

    def _command(self, *arguments: str) -> tuple[str, ...]:
        options = {
            "Dir::State": str(self.root),
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": str(self.root / "cache"),
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Debug::NoLocking": "1",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "APT::Sandbox::User": "",
        }
        return (
            "apt-get",
            "-qq",
            *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
            *arguments,
        )


def package_tree(var: Path) -> PackageTree:
    """The tree for this release: packages of one release do not fit the next."""
    try:
        release: Mapping[str, str] = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return PackageTree(var / "debian" / f"{release.get('ID', 'unknown')}-{release.get('VERSION_ID', '0')}")


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=_APT_TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise PackagesUnavailable(f"{Path(command[0]).name} failed:\n{done.stderr.strip()}")
    return done.stdout


def _library_folders(base: Path) -> list[Path]:
    """The architecture's folder (x86_64-linux-gnu) and those of packages with libraries of their own."""
    return [*sorted(base.glob("*-linux-gnu*")), *sorted(path for path in [base / "postfix"] if path.exists())]


def _after(variable: str, folders: Sequence[Path]) -> str:
    """The machine's own programs come first: the tree only adds what is not there."""
    given = [os.environ[variable]] if os.environ.get(variable) else []
    return os.pathsep.join([*given, *map(str, folders)])


def _move_erlang(root: Path) -> None:
    """Debian's Erlang knows its folder by an absolute path in its start scripts; some may be changed already."""
    old, new = f"/{_ERLANG}".encode(), bytes(root / _ERLANG)
    home = root / _ERLANG
    for script in (*home.glob("bin/*"), *home.glob("erts-*/bin/*")):
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            if text.startswith(b"#!"):
                script.write_bytes(text.replace(new, old).replace(old, new))


def _own_library_folder() -> list[Path]:
    """A Python that is one with its library must find that before one of the tree, which may be of another version."""
    folder = sysconfig.get_config_var("LIBDIR") if sysconfig.get_config_var("Py_ENABLE_SHARED") else None
    return [Path(folder)] if folder else []
