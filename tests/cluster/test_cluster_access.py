"""Ways to the front doors: node ports and node addresses from the API's objects, and forwardings that outlive kubectl."""

import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cluster import surroundings
from tests.cluster.access import NoWay, node_address, node_port
from tests.cluster.forwarding import Forwarding
from tests.cluster.programs import ProgramFailed, Programs
from tests.trial.waiting import wait_until

# Says which process it is to everyone who connects; ends after the second, as kubectl does when its pod goes.
KUBECTL = """#!/usr/bin/env python3
import os, pathlib, socket, sys
pathlib.Path(__file__).with_name("arguments").write_text("\\n".join(sys.argv[1:]))
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1].split(":")[0])))
print("Forwarding from 127.0.0.1:", flush=True)
for _ in range(2):
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
print("error: lost connection to pod", flush=True)
sys.exit(1)
"""


def programs(folder: Path, kubectl: str) -> Programs:
    (folder / "kubeconfig").touch()
    (folder / "kubectl").write_text(kubectl)
    (folder / "kubectl").chmod(0o755)
    return Programs(
        surroundings.read({"KUBECONFIG": str(folder / "kubeconfig"), "MAILYARD_CLUSTER_BIN": str(folder)})
    )


def process_behind(forwarding: Forwarding) -> int:
    forwarding.wait(20)
    with socket.create_connection(("127.0.0.1", forwarding.local), timeout=10) as connection:
        return int(connection.recv(100))


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_forwarding_keeps_its_port_when_kubectl_ends_and_begins_anew(tmp_path: Path) -> None:
    forwarding = Forwarding(programs(tmp_path, KUBECTL), "mail", "mailyard-imap", 993)
    try:
        first = [process_behind(forwarding) for _ in range(2)]
        wait_until(lambda: not alive(first[0]), seconds=20, what="the first kubectl has ended")
        wait_until(forwarding._ready.is_set, seconds=20, what="there is another one")
        second = process_behind(forwarding)
    finally:
        forwarding.stop()
    assert first[0] == first[1] != second
    assert (tmp_path / "arguments").read_text().splitlines() == [
        "--namespace", "mail", "port-forward", "--address=127.0.0.1", "service/mailyard-imap", f"{forwarding.local}:993",
    ]  # fmt: skip


def test_a_forwarding_that_is_stopped_leaves_no_kubectl(tmp_path: Path) -> None:
    forwarding = Forwarding(programs(tmp_path, KUBECTL), "mail", "mailyard-imap", 993)
    process = process_behind(forwarding)
    forwarding.stop()
    assert not alive(process)


def test_a_forwarding_that_never_begins_is_an_error_with_kubectls_words(tmp_path: Path) -> None:
    refusal = (
        "#!/bin/sh\necho 'Error from server (NotFound): services \"mailyard-imap\" not found' >&2\nexit 1\n"
    )
    forwarding = Forwarding(programs(tmp_path, refusal), "mail", "mailyard-imap", 993)
    begun = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"did not forward to mailyard-imap:993 .* not found"):
        forwarding.wait(2)
    forwarding.stop()
    assert time.monotonic() - begun < 8


def port(number: int, node: int | None) -> Any:
    return SimpleNamespace(port=number, node_port=node)


def test_a_node_port_is_that_of_the_services_port() -> None:
    assert node_port("mailyard-smtp-in", [port(25, 30025), port(587, 30587)], 587) == 30587


@pytest.mark.parametrize("ports", [[port(25, 30025)], [port(25, 30025), port(993, None)]])
def test_a_service_without_a_node_port_is_an_error_that_says_where_to_look(ports: list[Any]) -> None:
    with pytest.raises(NoWay, match=r"port 993 of mailyard-imap has no node port: .*MAILYARD_CLUSTER_VALUES"):
        node_port("mailyard-imap", ports, 993)


def node(ready: str, **addresses: str) -> Any:
    listed = [SimpleNamespace(type=kind, address=address) for kind, address in addresses.items()]
    conditions = [SimpleNamespace(type="Ready", status=ready)]
    return SimpleNamespace(status=SimpleNamespace(conditions=conditions, addresses=listed))


def test_the_address_is_that_of_the_first_node_that_is_ready() -> None:
    nodes = [node("False", InternalIP="192.0.2.1"), node("True", Hostname="b", InternalIP="192.0.2.2")]
    assert node_address(nodes) == "192.0.2.2"


def test_where_no_node_has_an_internal_address_the_variable_is_named() -> None:
    with pytest.raises(NoWay, match="MAILYARD_CLUSTER_NODE"):
        node_address([node("True", ExternalIP="192.0.2.2")])
