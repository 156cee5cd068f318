"""Users of MongoDB: one for each service, by secrets of the operator or made for the trial."""

import hashlib
from pathlib import Path

import pytest
from pymongo.uri_parser import parse_uri

from mailyard.cli.databaseuser.rights import RIGHTS
from tests.chart.cluster import cluster_with
from tests.chart.render import SERVICES, Object, Objects, Refused, render, render_on
from tests.chart.test_chart_upgrade import stored

MEMBER = ("mailyard-mongodb-0.mailyard-mongodb-nodes.post.svc", 27017)
PODS = {
    **{service: ("Deployment", service) for service in SERVICES},
    "toolbox": ("Deployment", "toolbox"),
    "canary": ("CronJob", "canary"),
}


def connection(objects: Objects, kind: str, name: str) -> list[tuple[str, str, str]]:
    """Secret, key and file of each part of a pod's connections."""
    (volume,) = [each for each in objects.pod(kind, name)["volumes"] if each["name"] == "connections"]
    return [
        (source["secret"]["name"], item["key"], item["path"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    ]


def setup_job(objects: Objects) -> str:
    (name,) = [name for name in objects.of("Job") if name != "setup-upgrade"]
    return name


@pytest.mark.parametrize("service", PODS)
def test_in_a_trial_each_service_has_the_url_of_its_own_user_and_no_other(trial: Objects, service: str):
    assert connection(trial, *PODS[service]) == [
        ("mailyard-connections", "amqp-url", "amqp-url"),
        ("mailyard-mongodb-users", f"{service}-url", "mongo-url"),
    ]
    assert [each.get("initContainers") for each in [trial.pod(*PODS[service])]] == [None]


def test_a_trials_users_are_those_of_the_table(trial: Objects):
    given = trial.of("Secret")["mongodb-users"]["stringData"]
    assert set(given) == {key for service in RIGHTS for key in (service, f"{service}-url")}
    for service, rights in RIGHTS.items():
        url = parse_uri(given[f"{service}-url"])
        assert (url["username"], url["password"]) == (rights.user, given[service])
        assert (url["nodelist"], url["options"]["authSource"]) == ([MEMBER], "mailyard")
        assert url["options"]["replicaSet"] == "rs0"


def test_another_database_holds_the_users_of_its_own():
    given = render("trial", "connections.mongoDatabase=post 1").of("Secret")["mongodb-users"]["stringData"]
    assert parse_uri(given["imap-url"])["options"]["authSource"] == "post 1"


def test_a_users_password_says_nothing_of_the_others(trial: Objects):
    given = trial.of("Secret")["mongodb-users"]["stringData"]
    first = trial.of("Secret")["mongodb"]["stringData"]["password"]
    passwords = [given[service] for service in RIGHTS]
    assert len(set(passwords)) == len(RIGHTS)
    assert passwords == [hashlib.sha256(f"{first}/{service}".encode()).hexdigest()[:40] for service in RIGHTS]


def test_the_first_user_is_the_setup_jobs_alone(trial: Objects):
    holders = {
        name
        for name, pod in trial.pods().items()
        for volume in pod["volumes"]
        if "mailyard-connections" in str(volume)
        and "mongo-url" in str(volume)
        and volume["name"] != "connections"
    }
    assert holders == {f"Job mailyard-{setup_job(trial)}"}
    given = trial.of("Secret")["connections"]["stringData"]
    assert parse_uri(given["mongo-url"])["username"] == "mailyard"


@pytest.mark.parametrize(("upgrade", "secret"), [(False, "mongodb-users"), (True, "mongodb-users-upgrade")])
def test_users_are_made_before_setup_runs_as_one_of_them(upgrade: bool, secret: str):
    objects = render("trial", upgrade=upgrade)
    name = "setup-upgrade" if upgrade else setup_job(objects)
    pod = objects.pod("Job", name)
    (first,) = pod["initContainers"]
    assert first["args"] == [
        *("database-user", "apply", "--passwords", "/etc/mailyard/database-users", "--wait", "870")
    ]
    assert {each["mountPath"] for each in first["volumeMounts"]} == {
        "/etc/mailyard/administration",
        "/etc/mailyard/database-users",
        "/tmp",
    }
    assert {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}.isdisjoint(
        {"/etc/mailyard/administration", "/etc/mailyard/database-users"}
    )
    (users,) = [each["secret"] for each in pod["volumes"] if each["name"] == "database-users"]
    assert users["secretName"] == f"mailyard-{secret}"
    assert {each["path"] for each in users["items"]} == set(RIGHTS)
    assert connection(objects, "Job", name)[1] == (f"mailyard-{secret}", "toolbox-url", "mongo-url")


def test_an_upgrade_from_a_version_without_users_makes_them_first(tmp_path: Path, trial: Objects):
    """0.2.0 has the first user only: the hook's secret comes before the hook's job, with what the release gets later."""
    old = [stored(each) for name, each in trial.of("Secret").items() if name != "mongodb-users"]
    with cluster_with([*old, *trial.of("StatefulSet").values()], tmp_path) as config:
        objects = render_on(config, "trial")
    secrets = objects.of("Secret")
    hook = secrets["mongodb-users-upgrade"]
    assert hook["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-upgrade",
        "helm.sh/hook-weight": "-5",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    assert hook["stringData"] == secrets["mongodb-users"]["stringData"]
    assert hook["stringData"] == trial.of("Secret")["mongodb-users"]["stringData"]


def test_secrets_of_ones_own_for_single_services_stand_in_for_the_common_one():
    objects = render(
        "production",
        "connections.perService.smtp-in.mongoSecret=edge",
        "connections.perService.imap.mongoSecret=imap-store",
        "connections.perService.imap.amqpSecret=imap-broker",
        "connections.perService.toolbox.mongoSecret=tools",
        upgrade=True,
    )
    common = "mailyard-databases"
    wanted = {
        ("Deployment", "smtp-in"): (common, "edge"),
        ("Deployment", "imap"): ("imap-broker", "imap-store"),
        ("Deployment", "relay"): (common, common),
        ("Deployment", "toolbox"): (common, "tools"),
        ("Job", "setup-upgrade"): (common, "tools"),
        ("Job", setup_job(objects)): (common, "tools"),
    }
    for (kind, name), (broker, store) in wanted.items():
        assert connection(objects, kind, name) == [
            (broker, "amqp-url", "amqp-url"),
            (store, "mongo-url", "mongo-url"),
        ]
        assert "initContainers" not in objects.pod(kind, name)
    assert "mongodb-users" not in objects.of("Secret")


@pytest.mark.parametrize(
    ("overlay", "settings", "advice"),
    [
        (
            "trial",
            ("connections.perService.imap.mongoSecret=mine",),
            "connections.perService.imap.mongoSecret is set, but the trial's MongoDB gives each service a user of its own.",
        ),
        (
            "production",
            ("connections.perService.imap.mongoSecret=",),
            "connections.perService.imap names no secret. Set mongoSecret or amqpSecret, or remove the entry.",
        ),
        ("production", ("connections.perService.pop3.mongoSecret=mine",), "pop3"),
        ("production", ("connections.perService.imap.secret=mine",), "secret"),
    ],
)
def test_values_that_contradict_are_refused(overlay: str, settings: tuple[str, ...], advice: str):
    with pytest.raises(Refused) as refused:
        render(overlay, *settings)
    assert advice in " ".join(str(refused.value).split())


def test_pods_start_anew_when_a_secret_of_a_single_service_is_named():
    def checksum(*settings: str) -> str:
        template: Object = render("production", *settings).of("Deployment")["imap"]["spec"]["template"]
        text: str = template["metadata"]["annotations"]["checksum/connections"]
        return text

    assert checksum("connections.perService.imap.mongoSecret=mine") != checksum()
