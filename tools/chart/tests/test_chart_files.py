"""README and schema, from small files of values."""

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from mailyard.chart import settings
from mailyard.chart.entries import BadComment, entries
from mailyard.chart.main import main
from mailyard.chart.readme import readme_text
from mailyard.chart.schema import schema_text
from mailyard.runtime.renames import Renamed
from mailyard.runtime.settings import CommonSettings, settings_config

TEMPLATE = "# Chart\n\n<!-- values -->\n"
VALUES = "## All\n\n# How many.\n# @schema {minimum: 1}\nnumber: 1\n"


def properties(values: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schema_text(entries(values)))["properties"]
    return found


@pytest.mark.parametrize(
    ("default", "kind"),
    [
        ("text", "string"),
        ("true", "boolean"),
        ("3", "integer"),
        ("0.5", "number"),
        ("[]", "array"),
        ("{}", "object"),
    ],
)
def test_the_default_gives_the_type(default: str, kind: str):
    assert properties(f"a: {default}\n")["a"] == {"type": kind}


def test_keywords_and_description_stand_beside_the_type():
    assert properties(VALUES)["number"] == {"description": "How many.", "type": "integer", "minimum": 1}


def test_an_object_takes_the_keys_that_it_has_and_no_others():
    assert properties("a:\n  b: 1\n")["a"] == {
        "type": "object",
        "additionalProperties": False,
        "properties": {"b": {"type": "integer"}},
    }


def test_a_type_of_ones_own_goes_before_the_defaults():
    assert properties('# @schema {type: [integer, "null"]}\na: 1\n')["a"] == {"type": ["integer", "null"]}


def test_what_kubernetes_checks_is_open():
    assert properties("# @schema {free: true}\na: {}\n")["a"] == {"type": "object"}


def test_children_that_are_alike_share_the_first_ones_comments():
    found = properties("# @schema {each: true}\nall:\n  a:\n    # Size.\n    size: 1\n  b:\n    size: 2\n")
    assert found["all"]["properties"]["b"] == found["all"]["properties"]["a"]
    assert found["all"]["properties"]["b"]["properties"]["size"]["description"] == "Size."


def test_the_settings_of_each_service_are_its_own():
    found = properties(
        "# @schema {each: true}\nall:\n  imap:\n    # @schema {ref: settings}\n    settings: {}\n"
        "  relay:\n    settings: {}\n"
    )
    own = {
        name: found["all"]["properties"][name]["properties"]["settings"]["properties"]
        for name in ("imap", "relay")
    }
    assert own["imap"]["badCommands"]["type"] == "integer"
    assert "badCommands" not in own["relay"]
    assert own["relay"]["chunkingOctets"]["maximum"] == 100_000
    assert own["relay"]["security"]["enum"] == ["none", "may", "encrypt", "verify"]


@pytest.mark.parametrize("name", ["tlsListen", "listen", "tlsCertificateFile", "proxyNetworks", "amqpUrl"])
def test_settings_that_the_chart_makes_itself_are_not_for_the_user(name: str):
    found = properties(
        "# @schema {each: true}\nall:\n  imap:\n    # @schema {ref: settings}\n    settings: {}\n"
    )
    assert name not in found["all"]["properties"]["imap"]["properties"]["settings"]["properties"]


def test_a_definition_that_does_not_exist_is_named():
    with pytest.raises(BadComment, match="a: there is no definition quotas"):
        schema_text(entries("# @schema {ref: quotas}\na: {}\n"))


def test_the_readme_has_a_table_for_each_section():
    values = "## One\n\n# First | best.\na: 1\n\n## Two\n\n# Which.\n# @schema {enum: [x, y]}\nb: x\n# Text.\nc: ''\n"
    assert readme_text(TEMPLATE, entries(values)).partition("# Chart\n\n")[2] == (
        "### One\n\n"
        "| value | default | meaning |\n| --- | --- | --- |\n"
        "| `a` | `1` | First \\| best. |\n\n"
        "### Two\n\n"
        "| value | default | meaning |\n| --- | --- | --- |\n"
        "| `b` | `x` | Which. One of `x`, `y`. |\n"
        "| `c` | empty | Text. |\n"
    )


def test_the_readme_shows_where_defaults_of_alike_children_differ():
    values = "## S\n\n# @schema {each: true}\nall:\n  a:\n    # Size.\n    size: 1\n    same: 0\n  b:\n    size: 2\n    same: 0\n"
    text = readme_text(TEMPLATE, entries(values))
    assert "| `all.<name>.size` | `1` | Size. |\n" in text
    assert text.endswith("| value | a | b |\n| --- | --- | --- |\n| `size` | `1` | `2` |\n")


def test_placeholders_in_descriptions_are_not_taken_for_html():
    assert "| `a` | `1` | Of \\<name>. |\n" in readme_text(TEMPLATE, entries("## S\n\n# Of <name>.\na: 1\n"))


def test_a_template_without_its_marker_is_refused():
    with pytest.raises(BadComment, match=r"README\.template\.md has no line <!-- values -->"):
        readme_text("# Chart\n", ())


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "README.template.md").write_text(TEMPLATE)
    (tmp_path / "templates").mkdir()
    return tmp_path


def test_the_command_writes_all_files_and_then_finds_them_current(chart: Path):
    main([str(chart)])
    assert json.loads((chart / "values.schema.json").read_text())["properties"]["number"]["minimum"] == 1
    assert 'define "mailyard.allServices"' in (chart / "templates/_catalogue.tpl").read_text()
    with pytest.raises(SystemExit) as done:
        main(["--check", str(chart)])
    assert done.value.code == 0


def test_the_check_finds_a_list_of_services_that_is_old(chart: Path):
    main([str(chart)])
    services = chart / "templates/_catalogue.tpl"
    services.write_text(services.read_text().replace("relay:", "relays:"))
    with pytest.raises(SystemExit, match=r"_catalogue\.tpl is out of date: run make chart"):
        main(["--check", str(chart)])


def test_the_check_names_what_is_old_and_writes_nothing(chart: Path):
    main([str(chart)])
    (chart / "values.yaml").write_text(VALUES.replace("minimum: 1", "minimum: 2"))
    with pytest.raises(SystemExit) as done:
        main(["--check", str(chart)])
    assert done.value.code == f"{chart / 'values.schema.json'} is out of date: run make chart\n"
    assert '"minimum": 1' in (chart / "values.schema.json").read_text()


def test_a_chart_that_is_not_there_is_said_in_a_line(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"mailyard-chart: .*values\.yaml"):
        main([str(tmp_path)])


def test_a_setting_may_be_given_by_its_old_name_which_is_marked_as_such(monkeypatch: pytest.MonkeyPatch):
    class Renaming(CommonSettings):
        """Two settings that had other names: one of this service, one of another."""

        model_config = settings_config("router")

        size: Annotated[int, Field(ge=1), Renamed("MAILYARD_ROUTER_MOST_OCTETS", "0.4.0")] = Field(
            default=5, description="How large."
        )
        place: Annotated[str, Renamed("MAILYARD_PLACE", "0.4.0")] = Field(default="", description="Where.")

    monkeypatch.setattr(settings, "settings_class", lambda _service: Renaming)
    found = settings.settings_schema("router")["properties"]
    assert found["mostOctets"] == {
        "type": "integer",
        "minimum": 1,
        "description": "Old name of size, which the next minor version refuses.",
        "deprecated": True,
    }
    assert found["size"] == {"type": "integer", "minimum": 1, "description": "How large."}
    assert found.keys() & {"place", "mostOctets", "size", "mailyardPlace"} == {"place", "mostOctets", "size"}
