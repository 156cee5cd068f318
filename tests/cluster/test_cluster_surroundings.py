"""The settings of the harness, by variables and in Kubernetes' notation; its arguments for Helm; its report."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailyard.local.certificates import ensure_certificates
from tests.cluster import surroundings
from tests.cluster.checks import CHECKS
from tests.cluster.checks.certificates import names_of, renewed
from tests.cluster.quantities import quantity
from tests.cluster.release import CHART, VALUES, values_of
from tests.cluster.report import Report, Result
from tests.cluster.surroundings import AccessKind, WrongSurroundings
from tests.cluster.toolbox import setup_file


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    (path := tmp_path / "kubeconfig").touch()
    return path


def test_a_kubeconfig_is_enough_for_images_that_already_work(kubeconfig: Path) -> None:
    read = surroundings.read({"KUBECONFIG": str(kubeconfig)})
    assert (read.kubeconfig, read.access) == (kubeconfig, AccessKind.DIRECT)
    assert (read.image_repository, read.image_tag, read.previous_tag) == ("mailyard", "dev", "dev")
    assert (read.programs, read.values, read.previous) == (None, (), None)
    assert not read.upgrades_from_earlier


def test_our_own_variable_goes_before_that_of_kubectl(kubeconfig: Path) -> None:
    environment = {"KUBECONFIG": "/nowhere", surroundings.KUBECONFIG: str(kubeconfig)}
    assert surroundings.read(environment).kubeconfig == kubeconfig


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (surroundings.KUBECONFIG, "/nowhere"),
        ("MAILYARD_CLUSTER_BIN", "/nowhere"),
        ("MAILYARD_CLUSTER_VALUES", "/nowhere,/neither"),
        ("MAILYARD_CLUSTER_ACCESS", "telepathy"),
        ("MAILYARD_CLUSTER_PREVIOUS", "no-such-commit"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(kubeconfig: Path, variable: str, value: str) -> None:
    with pytest.raises(WrongSurroundings, match=variable):
        surroundings.read({"KUBECONFIG": str(kubeconfig), variable: value})


def test_an_upgrade_comes_from_earlier_images_when_their_tag_is_another_one(kubeconfig: Path) -> None:
    read = surroundings.read({"KUBECONFIG": str(kubeconfig), "MAILYARD_CLUSTER_PREVIOUS_TAG": "0.1.0"})
    assert read.upgrades_from_earlier
    assert values_of(CHART, read)[-1] == "image.tag=dev"
    assert values_of(CHART, read, tag=read.previous_tag)[-1] == "image.tag=0.1.0"


def test_later_values_win_and_node_ports_are_asked_for_where_they_are_used(kubeconfig: Path) -> None:
    own, extra = VALUES / "local-databases.yaml", VALUES / "autoscale.yaml"
    read = surroundings.read(
        {
            "KUBECONFIG": str(kubeconfig),
            "MAILYARD_CLUSTER_ACCESS": "nodeport",
            "MAILYARD_CLUSTER_VALUES": str(own),
            "MAILYARD_CLUSTER_IMAGE_TAG": "1.2.3",
        }
    )
    files = [str(path) for path in (CHART / "values" / "trial.yaml", VALUES / "nodeport.yaml", own, extra)]
    arguments = values_of(CHART, read, [extra])
    assert arguments[1:8:2] == files
    assert arguments[8:] == ["--set", "image.repository=mailyard", "--set", "image.tag=1.2.3"]


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0.0), ("1500m", 1.5), ("12Ki", 12_288.0), ("3M", 3e6), ("250000n", 2.5e-4)]
)
def test_quantities_are_read_in_all_notations(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "Mi", "1.5.2", "12 Mi", "1e3"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(text)


def test_setup_gets_a_tenant_with_all_accounts_and_no_password_in_the_file() -> None:
    assert json.loads(setup_file("chaos", "chaos.test", ["user00@chaos.test"])) == {
        "tenants": [
            {
                "id": "chaos",
                "domains": ["chaos.test"],
                "accounts": [{"address": "user00@chaos.test", "passwordFile": "/tmp/chaos.password"}],
            }
        ]
    }


def test_a_renewed_certificate_is_another_one_for_the_same_names(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, ["mail.example.com", "localhost"], datetime.now(UTC))
    old = files.certificate.read_bytes()
    new = renewed({"tls.crt": old})
    assert names_of(new["tls.crt"]) == ["mail.example.com", "localhost"]
    assert new["tls.crt"] != old
    assert new["ca.crt"] != files.authority.read_bytes()


def test_a_failed_check_fails_the_report_and_keeps_its_words(tmp_path: Path) -> None:
    report = Report("v1.34.4", "mailyard/*:dev", results=[Result("install", 41.5, {"ready after s": 36.5})])
    assert report.passed
    report.results.append(Result("chaos", 3.0, {}, "2 mails lost\nuser00: number 7"))
    report.write(tmp_path / "new" / "result.json")
    written = json.loads((tmp_path / "new" / "result.json").read_text())
    assert not written["passed"]
    assert [check["outcome"] for check in written["checks"]] == ["passed", "FAILED"]
    assert report.results[0].line() == "install      passed    41.5 s  ready after s: 36.5"
    assert report.results[1].line().splitlines()[1:] == ["    2 mails lost", "    user00: number 7"]


def test_a_skipped_check_fails_nothing_and_says_why() -> None:
    result = Result("skaffold", 0.0, {}, skipped="there is no skaffold")
    assert Report("v1.34.4", "mailyard/*:dev", results=[result]).passed
    assert result.line() == "skaffold     skipped    0.0 s  there is no skaffold"


def test_checks_begin_with_the_install_and_nothing_but_skaffold_comes_after_the_removal() -> None:
    assert next(iter(CHECKS)) == "install"
    assert list(CHECKS)[-2:] == ["removal", "skaffold"]
    assert [name for name, check in CHECKS.items() if check.from_nothing] == ["install", "skaffold"]
