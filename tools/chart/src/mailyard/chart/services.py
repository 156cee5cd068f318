"""The services as the templates of the chart see them: a template that defines `mailyard.allServices`."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.alias_generators import to_camel

from mailyard.broker.pipeline import stages_of
from mailyard.runtime.services import SERVICES, Service

FILE: Final = "templates/_catalogue.tpl"
_HEAD: Final = """\
{{/*
Written by `make chart` from mailyard.runtime.services and mailyard.broker.pipeline. The services differ in these values
only: the same templates make everything of them.

  ports        ports of its listeners, beside http
  listen       the setting that gets the address of each port
  tls          whether it shows the certificate
  frontDoor    its part of the values where clients hold connections to it; it waits before it stops, and reads PROXY headers
  public       the ports that everybody may reach, each with its number outside
  connections  the metric of its open connections, and the listeners on which it scales
  queues       the queues from which it takes tickets, and on which it scales
  egress       where it connects to, beside the databases and the DNS
*/}}
{{- define "mailyard.allServices" -}}
"""
_TAIL: Final = "{{- end -}}\n"


def services_text() -> str:
    """Return the text of the template."""
    lines = [line for service in SERVICES for line in _lines(service)]
    return _HEAD + "".join(f"{line}\n" for line in lines) + _TAIL


def _lines(service: Service) -> list[str]:
    values = {name: value for name, value in description(service).items() if value}
    return [f"{service.name}:", *(f"  {name}: {_flow(value)}" for name, value in values.items())]


def description(service: Service) -> dict[str, Any]:
    """Return the values of a service; the templates see only those that are not empty."""
    listeners = [port.listener for port in service.ports if port.listener]
    metric = f"mailyard_{service.package}_open_connections"
    return {
        "ports": {port.name: port.number for port in service.ports},
        "listen": {port.name: port.setting for port in service.ports},
        "tls": bool(service.ports),
        "frontDoor": to_camel(service.package) if service.ports else "",
        "public": {port.name: port.public for port in service.ports if port.public},
        "connections": {"metric": metric, "listeners": listeners} if listeners else {},
        "queues": [str(stage.queue) for stage in stages_of(service.name)],
        "egress": ["mail"] if service.sends_mail else [],
    }


def _flow(value: Any) -> str:
    """Write a value as YAML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"{name}: {_flow(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(_flow(each) for each in value) + "]"
        case _:
            return str(value)
