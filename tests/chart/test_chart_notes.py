"""The notes of an installation: the next three steps, and hints that depend on the values."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.render import APIS, CHART, HELM

TEMPLATE = """\
{{{{- define "notes" -}}}}
{text}
{{{{- end -}}}}
notes: {{{{ include "notes" . | quote }}}}
"""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the chart that renders its notes as an object: Helm shows them on a cluster only."""
    copy = tmp_path_factory.mktemp("chart") / "mailyard"
    shutil.copytree(CHART, copy)
    text = (copy / "templates/NOTES.txt").read_text()
    (copy / "templates/notes.yaml").write_text(TEMPLATE.format(text=text))
    return copy


def notes(chart: Path, overlay: str, *settings: str) -> str:
    command = [HELM, "template", "mailyard", chart, "--namespace", "post"]
    command += ["--show-only", "templates/notes.yaml", "--values", chart / f"values/{overlay}.yaml"]
    command += [part for setting in settings for part in ("--set", setting)]
    command += [part for api in APIS for part in ("--api-versions", api)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    text: str = yaml.safe_load(done.stdout)["notes"]
    return text


def test_notes_say_the_next_three_steps(chart: Path):
    text = notes(chart, "trial")
    assert [line for line in text.splitlines() if line[:2] in ("1.", "2.", "3.")] == [
        "1. Accounts",
        "2. DNS records of each domain",
        "3. Checks",
    ]
    assert (
        "kubectl -n post get secret mailyard-accounts -o go-template="
        """'{{ index .data "anna_at_alpha.test" | base64decode }}'""" in text
    )
    assert "alpha.test.                MX   10 mail.mailyard.test." in text
    assert "helm -n post test mailyard --logs" in text
    assert "kubectl -n post exec deploy/mailyard-toolbox -- mailyard install-check after" in text
    assert "All outbound mail goes to the sink" in text


def test_notes_do_not_let_the_address_of_the_balancer_stand_for_that_of_the_senders(chart: Path):
    for text in (notes(chart, "trial"), notes(chart, "production", "hostname=mail.example.org")):
        assert 'TXT  "v=spf1 ip4:ADDRESS -all"' in text
        assert "ADDRESS is the public source address of your relay pods" in text


def test_the_canarys_domain_needs_no_zone(chart: Path):
    text = notes(chart, "trial")
    assert "beta.test. " in text
    assert "canary.mail.mailyard.test" not in text


def test_notes_name_no_toolbox_where_there_is_none(chart: Path):
    text = notes(chart, "trial", "toolbox.enabled=false")
    assert "mailyard-toolbox" not in text
    assert "kubectl -n post get pods --selector app.kubernetes.io/instance=mailyard" in text


def test_front_doors_that_are_open_within_the_cluster_only_are_reached_by_port_forward(chart: Path):
    assert "port-forward service/mailyard-smtp-in 2525:25 2587:587 2465:465" in notes(chart, "trial")
    text = notes(chart, "trial", "frontDoors.smtpIn.type=LoadBalancer")
    assert "service/mailyard-smtp-in 2525" not in text
    assert "port-forward service/mailyard-imap 2143:143 2993:993" in text
    assert "port-forward" not in notes(chart, "production", "hostname=mail.example.org")


def test_notes_warn_of_what_hides_the_clients_addresses(chart: Path):
    gateway = ["frontDoors.gateway.enabled=true", "frontDoors.gateway.parentRefs[0].name=edge"]
    assert "Most Gateways hide the clients' addresses" in notes(chart, "trial", *gateway)
    text = notes(
        chart, "trial", "frontDoors.imap.type=NodePort", "frontDoors.imap.externalTrafficPolicy=Cluster"
    )
    assert "frontDoors.imap: externalTrafficPolicy Cluster hides the clients' addresses" in text
    assert "hide" not in notes(chart, "trial")


def test_notes_warn_of_one_name_for_two_load_balancers(chart: Path):
    text = notes(chart, "production", "hostname=mail.example.org")
    assert "mail.example.org needs an A record (and AAAA) with the address of" in text
    assert "get service mailyard-smtp-in" in text
    assert "set frontDoors.imap.hostname" in text


def test_notes_give_imap_its_own_name(chart: Path):
    text = notes(
        chart, "production", "hostname=mail.example.org", "frontDoors.imap.hostname=imap.example.org"
    )
    assert "imap.example.org needs an A record (and AAAA) with the address of" in text
    assert "set frontDoors.imap.hostname" not in text


def test_notes_name_the_only_front_end_of_a_split_release(chart: Path):
    off = ("services.smtp-in.enabled=false", "canary.enabled=false", "sink.enabled=false")
    text = notes(chart, "production", "hostname=mail.example.org", *off)
    assert "get service mailyard-imap" in text
    assert "mailyard-smtp-in" not in text
