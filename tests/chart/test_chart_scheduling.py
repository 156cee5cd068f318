"""Scheduling of pods: values for all, values of one service, spreading and draining."""

import pytest

from tests.chart.render import SERVICES, Objects, render

EVERYWHERE = (
    "scheduling.nodeSelector.disk=fast",
    "scheduling.tolerations[0].key=mail",
    "scheduling.tolerations[0].operator=Exists",
    "scheduling.priorityClassName=mail",
)


def test_all_pods_run_where_it_is_said_for_all():
    objects = render("trial", *EVERYWHERE, upgrade=True)
    assert len(objects.pods()) == 14
    for name, pod in objects.pods().items():
        assert pod["nodeSelector"] == {"disk": "fast"}, name
        assert pod["tolerations"] == [{"key": "mail", "operator": "Exists"}], name
        assert pod["priorityClassName"] == "mail", name


def test_what_a_service_says_itself_goes_before():
    objects = render(
        "trial",
        *EVERYWHERE,
        "services.imap.nodeSelector.disk=slow",
        "services.imap.priorityClassName=reading",
    )
    imap, relay = (objects.pod("Deployment", name) for name in ("imap", "relay"))
    assert (imap["nodeSelector"], relay["nodeSelector"]) == ({"disk": "slow"}, {"disk": "fast"})
    assert (imap["priorityClassName"], relay["priorityClassName"]) == ("reading", "mail")
    assert imap["tolerations"] == relay["tolerations"]


def test_without_a_word_pods_run_anywhere(overlay: Objects):
    said = {"nodeSelector", "tolerations", "affinity", "priorityClassName"}
    assert {name: said & set(pod) for name, pod in overlay.pods().items() if said & set(pod)} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_pods_of_one_revision_are_spread_over_zones_and_hosts(overlay: Objects, service: str):
    spreads = overlay.pod("Deployment", service)["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spreads] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    selector = overlay.of("Deployment")[service]["spec"]["selector"]
    for each in spreads:
        assert (each["labelSelector"], each["matchLabelKeys"]) == (selector, ["pod-template-hash"])


def test_large_rather_leaves_a_pod_out_than_a_zone():
    for service in SERVICES:
        zone, host = render("large").pod("Deployment", service)["topologySpreadConstraints"]
        assert (zone["whenUnsatisfiable"], host["whenUnsatisfiable"]) == ("DoNotSchedule", "ScheduleAnyway")


def test_drains_take_one_pod_or_a_share_of_them():
    budgets = render("large").of("PodDisruptionBudget")
    assert {name: budgets[name]["spec"]["maxUnavailable"] for name in SERVICES} == {
        **dict.fromkeys(SERVICES, "10%"),
        "router": 1,
    }
    for name in SERVICES:
        deployment = render("large").of("Deployment")[name]["spec"]
        assert budgets[name]["spec"]["selector"] == deployment["selector"]


def test_pods_carry_labels_of_the_user_beside_those_of_the_chart():
    objects = render("trial", r"services.imap.podLabels.sidecar\.istio\.io/inject=off")
    labels = objects.of("Deployment")["imap"]["spec"]["template"]["metadata"]["labels"]
    assert labels["sidecar.istio.io/inject"] == "off"
    assert labels["app.kubernetes.io/component"] == "imap"
