import io
import json
import tarfile

import pytest

from mailyard.local.image.tidy import TIME
from tests.images.archive import Image, read_image
from tests.images.content import BUDGETS, INTERPRETER, problems

BILL = "opt/mailyard/environment/sbom.cdx.json"
LABELS = {
    **{f"org.opencontainers.image.{name}": "x" for name in ("title", "description", "version", "revision")},
    **{f"org.opencontainers.image.{name}": "x" for name in ("source", "licenses", "created")},
    "org.mailyard.image.sbom": f"/{BILL}",
}
CONFIG = {"User": "10001:10001", "Entrypoint": ["mailyard-router"], "Labels": LABELS}
DOCUMENT = json.dumps(
    {
        "components": [{"name": "aio-pika"}],
        "metadata": {"component": {"name": "mailyard-router"}},
    }
).encode()
PACKAGES = "opt/mailyard/environment/lib/python3.13/site-packages"
BASE = {"usr/bin/python3": b"base"}
DEPENDENCIES = {BILL: DOCUMENT, f"{PACKAGES}/aio_pika-10.2.1.dist-info/METADATA": b""}
CODE = {
    "opt/mailyard/code/bin/mailyard-router": INTERPRETER,
    "opt/mailyard/code/mailyard_router-0.1.0.dist-info/METADATA": b"",
    "opt/mailyard/code/mailyard/x.py": b"x",
}


def tar_of(files: dict[str, bytes], *, time: int = TIME, mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, octets in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime, entry.mode = len(octets), time, mode
            tar.addfile(entry, io.BytesIO(octets))
    return buffer.getvalue()


def image_of(*layers: bytes, config: dict[str, object] = CONFIG) -> Image:
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    files = {
        "manifest.json": json.dumps([{"Config": "config.json", "Layers": names}]).encode(),
        "config.json": json.dumps({"config": config}).encode(),
        **dict(zip(names, layers, strict=True)),
    }
    return read_image("router", io.BytesIO(tar_of(files)))


def good() -> list[bytes]:
    return [tar_of(BASE), tar_of(DEPENDENCIES), tar_of(CODE), tar_of({})]


def test_a_good_image_has_no_problems_and_its_base_does_not_count():
    image = image_of(*good())
    assert problems("router", image) == []
    assert image.size == len(DOCUMENT) + len(INTERPRETER) + 1


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (tar_of({"etc/passwd": b""}), "adds 3 layers to the base, not two"),
        (tar_of({"etc/passwd": b""}), "etc/passwd is outside /opt/mailyard"),
        (tar_of({"opt/mailyard/code/a/b.py": b""}, time=1), "opt/mailyard/code/a/b.py has a time of its own"),
        (
            tar_of({"opt/mailyard/code/b.py": b""}, mode=0o666),
            "opt/mailyard/code/b.py can be changed by others than root",
        ),
        (
            tar_of({"opt/mailyard/code/tests/b.py": b""}),
            "opt/mailyard/code/tests/b.py is of no use at run time",
        ),
        (
            tar_of({"opt/mailyard/code/b.pyc": b"/build/b"}),
            "opt/mailyard/code/b.pyc names the folder of the build",
        ),
        (
            tar_of({f"{PACKAGES}/yarl-1.25.1.dist-info/METADATA": b""}),
            "yarl is in the bill of materials or in the image, not in both",
        ),
        (
            tar_of({"opt/mailyard/code/big": bytes(BUDGETS["router"] * 1_000_000)}),
            f"{BUDGETS['router']}.0 MB are more than the budget of {BUDGETS['router']} MB",
        ),
    ],
)
def test_what_does_not_belong_in_an_image_is_found(layer, problem):
    assert f"router: {problem}" in problems("router", image_of(*good(), layer))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"User": "root"}, "runs as 'root', not as 10001:10001"),
        (
            {"Entrypoint": ["/bin/sh", "-c", "mailyard-router"]},
            "its entry point ['/bin/sh', '-c', 'mailyard-router'] is not one command of ours without a shell",
        ),
        (
            {"Labels": {**LABELS, "org.opencontainers.image.version": ""}},
            "has no label org.opencontainers.image.version",
        ),
        (
            {"Labels": {**LABELS, "org.mailyard.image.sbom": "/none"}},
            "has no bill of materials at '/none', which its label org.mailyard.image.sbom names",
        ),
    ],
)
def test_a_configuration_that_is_not_as_it_should_be_is_found(change, problem):
    found = problems("router", image_of(*good(), config={**CONFIG, **change}))
    assert found[0] == f"router: {problem}"


def test_a_command_that_needs_a_shell_is_found():
    code = tar_of({**CODE, "opt/mailyard/code/bin/mailyard-router": b"#!/bin/sh\n"})
    assert problems("router", image_of(tar_of(BASE), tar_of(DEPENDENCIES), code)) == [
        "router: /opt/mailyard/code/bin/mailyard-router does not begin with #!/opt/mailyard/environment/bin/python"
    ]


def test_folders_that_the_builder_makes_to_copy_into_do_not_count():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in ("opt", "opt/mailyard", "opt/mailyard/code", "opt/mailyard/code/mailyard"):
            entry = tarfile.TarInfo(path)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
    assert [file.path for file in image_of(buffer.getvalue()).layers[0].files] == [
        "opt/mailyard/code/mailyard"
    ]


def test_two_layers_with_the_same_files_in_another_order_are_equal_and_another_byte_makes_them_differ():
    in_order, reversed_ = tar_of(CODE), tar_of(dict(reversed(CODE.items())))
    other = tar_of({**CODE, "opt/mailyard/code/mailyard/x.py": b"y"})
    first, second, third = (
        image_of(layer).layers[0].fingerprints() for layer in (in_order, reversed_, other)
    )
    assert first == second
    assert len(set(first) ^ set(third)) == 2
