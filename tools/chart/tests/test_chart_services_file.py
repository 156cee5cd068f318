"""The services of the chart follow from the catalogue and from the pipeline."""

import pytest
import yaml

from mailyard.broker.pipeline import STAGES, stages_of
from mailyard.chart.services import description, services_text
from mailyard.runtime.services import NAMES, SERVICES, Service, ServicePort
from mailyard.runtime.settings import settings_class


def written() -> dict[str, dict[str, object]]:
    """What the templates read."""
    text = services_text().split("}}\n", 1)[1]
    begin, end = text.index("-}}\n") + 4, text.index("{{- end -}}")
    found: dict[str, dict[str, object]] = yaml.safe_load(text[begin:end])
    return {name: values or {} for name, values in found.items()}


def test_the_templates_see_every_service_in_the_order_of_the_catalogue():
    assert list(written()) == list(NAMES)


def test_a_service_scales_on_the_queues_that_it_takes_from_and_no_queue_is_forgotten():
    queues = {name: values.get("queues", []) for name, values in written().items()}
    assert queues == {name: [str(stage.queue) for stage in stages_of(name)] for name in NAMES}
    assert sum(map(len, queues.values())) == len(STAGES)


def test_only_what_a_service_has_is_written():
    assert written()["relay"] == {"queues": ["remote.send"], "egress": ["mail"]}
    assert written()["imap"] == {
        "ports": {"imap": 2143, "imaps": 2993},
        "listen": {"imap": "LISTEN", "imaps": "TLS_LISTEN"},
        "tls": True,
        "frontDoor": "imap",
        "public": {"imap": 143, "imaps": 993},
        "connections": {"metric": "mailyard_imap_open_connections", "listeners": ["imap", "imaps"]},
    }


def test_a_service_is_one_entry():
    pop3 = Service("pop3", 9107, (ServicePort("pop3s", 2995, "TLS_LISTEN", 995, "pop3s"),))
    assert {name: value for name, value in description(pop3).items() if value} == {
        "ports": {"pop3s": 2995},
        "listen": {"pop3s": "TLS_LISTEN"},
        "tls": True,
        "frontDoor": "pop3",
        "public": {"pop3s": 995},
        "connections": {"metric": "mailyard_pop3_open_connections", "listeners": ["pop3s"]},
    }


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_the_catalogue_says_what_the_settings_of_a_service_say(service: Service):
    fields = settings_class(service.name).model_fields
    assert fields["http_port"].default in (0, service.http_port)  # 0: the system chooses
    assert {port.setting.lower() for port in service.ports} <= set(fields)
    listens = {name for name in fields if name == "listen" or name.endswith("_listen")}
    assert listens == {port.setting.lower() for port in service.ports}
