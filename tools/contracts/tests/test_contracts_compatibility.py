"""The additive-only rule, shown on small contracts that really go through the compiler."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from mailyard.contracts.compatibility import violations
from mailyard.contracts.generation import descriptor_set

OLD = """
message Ticket {
  reserved 90 to 92, 1000 to max;
  reserved "lease";
  string spool_id = 1;
  uint32 leg = 2;
  repeated Note notes = 3;
  oneof where { string site = 4; string pool = 5; }
  message Note { string text = 1; }
  enum Kind { KIND_UNSPECIFIED = 0; KIND_NEW = 1; }
  Kind kind = 6;
}
enum Action { ACTION_UNSPECIFIED = 0; ACTION_PASS = 1; ACTION_TAG = 2; }
message Batch { repeated Ticket tickets = 1; }
"""


@pytest.fixture
def compiled(tmp_path: Path):
    def compile_contract(text: str) -> FileDescriptorSet:
        source = tmp_path / "mailyard" / "t.proto"
        source.parent.mkdir(exist_ok=True)
        source.write_text(f'syntax = "proto3";\npackage t;\n{text}')
        return descriptor_set(tmp_path)

    return compile_contract


def changed(compiled, *replacements: tuple[str, str]) -> list[str]:
    text = OLD
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    return violations(compiled(OLD), compiled(text))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("uint32 leg = 2;", "uint32 leg = 2; string tenant = 7;"),
        ("ACTION_TAG = 2;", "ACTION_TAG = 2; ACTION_REJECT = 3;"),
        ("KIND_NEW = 1;", "KIND_NEW = 1; KIND_OLD = 2;"),
        ("message Batch", "message Event { string id = 1; }\nmessage Batch"),
        ("uint32 leg = 2;", 'reserved 2; reserved "leg";'),
        ("ACTION_TAG = 2;", 'reserved 2; reserved "ACTION_TAG";'),
        ("90 to 92", "80 to 91, 92 to 99"),
    ],
)
def test_additions_and_reserved_removals_are_welcome(compiled, before, after):
    assert changed(compiled, (before, after)) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("uint32 leg = 2;", "", "t.Ticket.leg: number 2 removed"),
        ("uint32 leg = 2;", "reserved 2;", "t.Ticket.leg: name removed"),
        ("uint32 leg = 2;", "uint32 leg = 9;", "t.Ticket.leg: number 2 removed or given another name"),
        ("uint32 leg = 2;", "uint32 part = 2;", "t.Ticket.leg: name changed from leg to part"),
        ("uint32 leg = 2;", "uint64 leg = 2;", "t.Ticket.leg: type changed from TYPE_UINT32 to TYPE_UINT64"),
        ("uint32 leg = 2;", "repeated uint32 leg = 2;", "t.Ticket.leg: label changed"),
        ("uint32 leg = 2;", "optional uint32 leg = 2;", "t.Ticket.leg: oneof changed from none to _leg"),
        ("string pool = 5; }", "} string pool = 5;", "t.Ticket.pool: oneof changed from where to none"),
        (
            "repeated Note notes = 3;",
            "repeated Batch notes = 3;",
            "t.Ticket.notes: type changed from .t.Ticket.Note",
        ),
        ("string text = 1;", "bytes text = 1;", "t.Ticket.Note.text: type changed"),
        ("KIND_NEW = 1;", "KIND_NEW = 2;", "t.Ticket.Kind.KIND_NEW: number 1 removed"),
        (
            "ACTION_TAG = 2;",
            "ACTION_MARK = 2;",
            "t.Action.ACTION_TAG: number 2 removed or given another name",
        ),
        ("message Batch { repeated Ticket tickets = 1; }", "", "t.Batch: message removed"),
        ("90 to 92, ", "90, 92, ", "t.Ticket: number 91 is no longer reserved"),
        ("1000 to max", "1001 to max", "t.Ticket: number 1000 is no longer reserved"),
        ('reserved "lease";', "", "t.Ticket: name lease is no longer reserved"),
    ],
)
def test_every_other_change_is_called_by_its_name(compiled, before, after, complaint):
    assert any(text.startswith(complaint) for text in changed(compiled, (before, after)))


def test_an_enum_that_goes_is_a_violation(compiled):
    old, new = compiled("enum Gone { GONE_UNSPECIFIED = 0; }"), compiled("message Batch {}")
    assert violations(old, new) == ["t.Gone: enum removed; keep it, marked deprecated"]
