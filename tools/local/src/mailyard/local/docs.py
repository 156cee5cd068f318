"""Write the reference pages that come from the code: `python -m mailyard.local.docs [--check]`.

Settings come from the services' settings classes, metrics and events from what each package declares in `telemetry`.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mailyard.local.paths import REPOSITORY
from mailyard.local.ports import HEALTH
from mailyard.local.settings import LocalSettings
from mailyard.runtime.catalogue import EventType, Metric, collect
from mailyard.runtime.environment import renames_of
from mailyard.runtime.renames import VersionAdded
from mailyard.runtime.settings import CommonSettings, settings_class, variables

_GENERATED = "<!-- Written by `make docs` from the code; change it there. -->\n"
_SETTINGS_PREAMBLE = """\
Every setting is an environment variable; there are no settings files. Lists are comma-separated or JSON. A secret may
stand in a file instead: append `_FILE` to its variable and give the path. A variable that is set and empty counts as not
set; an empty list has no members. A misspelt variable of a service is an error, and so is one that looks like a misspelt
common one (`MAILYARD_LOGLEVEL`): the service names the right one and ends with status 78. Any other variable that
begins with `MAILYARD_` and that nobody knows is logged as `settings.unknown_variable`.

A renamed setting is understood by its old name in the minor version that renames it; the service logs
`settings.old_variable` once. Both names at once are an error that says both. The next minor version refuses the old name.
"""
_TIMELINE = "message."
_LOG_PREAMBLE = """\
Logs are one JSON object per line; `event` is one of these names. A line about one message has its id in `spool_id`.
"""
_TIMELINE_PREAMBLE = """\
The steps of a message are kept in its row, not in logs: `mailyard trace` shows them. Spans of sampled messages carry them, too.
"""
_RENAMED_METRICS = "A renamed metric is exported under both names in the minor version that renames it.\n"
_FOREIGN_METRICS = "`python_*` and `process_*` come from the client library.\n"


def main() -> None:
    """Write the pages; with --check, exit with 1 when a page is out of date."""
    parser = argparse.ArgumentParser(prog="python -m mailyard.local.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say which pages are old")
    if parser.parse_args().check:
        old = [name for name, page in PAGES.items() if _path(name).read_text() != page()]
        sys.exit("".join(f"docs/{name} is not what the code says: run make docs\n" for name in old) or 0)
    for name, page in PAGES.items():
        _path(name).write_text(page())


def settings_page() -> str:
    """Return docs/settings.md."""
    common = _section("Every service", CommonSettings, CommonSettings.model_fields)
    services = [_section(service, *_own_settings(settings_class(service))) for service in HEALTH]
    local = _section("Local mode (`make run`)", *_own_settings(LocalSettings))
    return "\n".join([_GENERATED, "# Settings", "", _SETTINGS_PREAMBLE, common, *services, local])


def metrics_page() -> str:
    """Return docs/metrics.md."""
    head = "Every service exports its metrics at `/metrics`, in Prometheus' text format. "
    rows = [
        (f"`{metric.name}`", metric.kind, _labels(metric), _help(metric))
        for metric in collect().metrics.values()
    ]
    preamble = head + _FOREIGN_METRICS + _RENAMED_METRICS
    table = _table(("metric", "kind", "labels", "meaning"), rows)
    return f"{_GENERATED}\n# Metrics\n\n{preamble}\n{table}"


def events_page() -> str:
    """Return docs/events.md: events of logs, then events of the timelines of messages."""
    events = collect().events.values()
    logs = [_event_row(event) for event in events if not event.name.startswith(_TIMELINE)]
    timelines = [_event_row(event) for event in events if event.name.startswith(_TIMELINE)]
    heading = ("event", "meaning")
    log_section = ["## Log events", "", _LOG_PREAMBLE, _table(heading, logs)]
    timeline_section = ["## Timeline events", "", _TIMELINE_PREAMBLE, _table(heading, timelines)]
    return "\n".join([_GENERATED, "# Events", "", *log_section, *timeline_section])


def _event_row(event: EventType) -> tuple[str, str]:
    return f"`{event.name}`", event.meaning


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {"settings.md": settings_page, "metrics.md": metrics_page, "events.md": events_page}
)


def _path(name: str) -> Path:
    return REPOSITORY / "docs" / name


def _own_settings(settings: type[CommonSettings]) -> tuple[type[CommonSettings], Mapping[str, FieldInfo]]:
    """Return the settings that a class adds to the common settings, or changes."""
    own = {
        name: field
        for name, field in settings.model_fields.items()
        if name not in CommonSettings.model_fields or name in settings.__annotations__
    }
    return settings, own


def _section(title: str, settings: type[CommonSettings], fields: Mapping[str, FieldInfo]) -> str:
    names = variables(settings)
    rows = [(f"`{names[name]}`", _default(field), _meaning(field)) for name, field in fields.items()]
    return f"## {title}\n\n{_table(('variable', 'default', 'meaning'), rows)}"


def _meaning(field: FieldInfo) -> str:
    """Return the description, the version that added the setting, and its old names."""
    added = [f"Since {each.version}." for each in field.metadata if isinstance(each, VersionAdded)]
    renamed = [
        f"Before {each.version} it was `{each.old}`; that name still works in this version, with a warning."
        for each in renames_of(field)
    ]
    return " ".join([field.description or "", *added, *renamed])


def _default(field: FieldInfo) -> str:
    """As one would write it in the environment."""
    if field.default_factory is not None:
        return "computed"
    return _shown(field.default)


def _shown(value: Any) -> str:
    match value:
        case _ if value is PydanticUndefined:
            return "**required**"
        case None | "" | () | []:
            return "unset"
        case SecretStr():
            return _shown(value.get_secret_value())
        case tuple() | list() | frozenset() | set():
            return f"`{','.join(map(str, value))}`"
        case Path() if value.is_relative_to(REPOSITORY):
            return f"`{value.relative_to(REPOSITORY)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case _:
            return f"`{value}`"


def _help(metric: Metric) -> str:
    """Return the help text, and the old name where the metric has one."""
    if metric.renamed is None:
        return metric.help
    return f"{metric.help} Before {metric.renamed.version} it was `{metric.renamed.old}`."


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """A bar would end the cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
