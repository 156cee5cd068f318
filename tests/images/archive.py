"""An image as `docker save` writes it: its configuration, and the files of the layers that are Mailyard's own.

Layers of the base are recognised by their files: none is below /opt/mailyard.
"""

import hashlib
import json
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

ROOT = "opt/mailyard"
_COPIED_INTO = frozenset({"", "opt", ROOT, f"{ROOT}/environment", f"{ROOT}/code"})


class NoImage(Exception):
    """The image could not be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class File:
    """One entry of a layer."""

    path: str
    kind: str
    mode: int
    owner: tuple[int, int]
    time: int
    link: str
    octets: bytes

    def fingerprint(self) -> str:
        """A line that is the same when the entry is the same."""
        digest = hashlib.sha256(self.octets).hexdigest()
        return f"{self.path} {self.kind} {self.mode:o} {self.owner} {self.time} {self.link} {digest}"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of ours, sorted by path; the folders that the builder copies into are its own work and left out."""

    files: tuple[File, ...]

    def fingerprints(self) -> list[str]:
        """All entries, as lines to compare."""
        return [file.fingerprint() for file in self.files]

    @property
    def size(self) -> int:
        """Bytes in files."""
        return sum(len(file.octets) for file in self.files)


@dataclass(frozen=True, slots=True)
class Image:
    """The parts of an image that are checked."""

    name: str
    config: dict[str, Any]
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Bytes in files of the layers above the base."""
        return sum(layer.size for layer in self.layers)

    def files(self) -> Iterator[File]:
        """All files of the layers above the base."""
        for layer in self.layers:
            yield from layer.files


def saved_image(save: str, name: str) -> Image:
    """Run the command that writes an image to its output. Raises NoImage."""
    with tempfile.TemporaryFile() as archive:
        command = (*shlex.split(save), name)
        if subprocess.run(command, stdout=archive, check=False).returncode != 0:
            raise NoImage(f"{shlex.join(command)} failed: is the image built? Run make images")
        archive.seek(0)
        return read_image(name, archive)


def read_image(name: str, archive: IO[bytes]) -> Image:
    """Read an archive that holds one image."""
    with tarfile.open(fileobj=archive) as tar:
        manifest = json.load(_content(tar, "manifest.json"))[0]
        config = json.load(_content(tar, manifest["Config"]))["config"]
        layers = [_layer(_content(tar, path)) for path in manifest["Layers"]]
    return Image(name, config, tuple(above_base(layers)))


def above_base(layers: Sequence[Layer]) -> list[Layer]:
    """The layers from the first with a file of ours on, without those that hold nothing."""
    ours = [number for number, layer in enumerate(layers) if any(is_ours(file.path) for file in layer.files)]
    return [layer for layer in layers[ours[0] :] if layer.files] if ours else []


def is_ours(path: str) -> bool:
    """Whether it is below /opt/mailyard."""
    return path.startswith(f"{ROOT}/")


def _content(tar: tarfile.TarFile, path: str) -> IO[bytes]:
    content = tar.extractfile(path)
    if content is None:
        raise NoImage(f"the archive has no file {path}: it is none that docker save writes")
    return content


def _layer(content: IO[bytes]) -> Layer:
    with tarfile.open(fileobj=content) as tar:
        files = [_file(tar, entry) for entry in tar]
    return Layer(
        tuple(sorted((each for each in files if each.path not in _COPIED_INTO), key=lambda each: each.path))
    )


def _file(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> File:
    path = entry.name.removeprefix("./").strip("/")
    octets = _octets(tar, entry) if entry.isreg() and is_ours(path) else b""
    kind = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link"}.get(entry.type, "file")
    return File(path, kind, entry.mode, (entry.uid, entry.gid), int(entry.mtime), entry.linkname, octets)


def _octets(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(entry)
    return content.read() if content else b""
