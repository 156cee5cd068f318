"""The additive-only rule: which changes a new version of the contracts may not make.

Old and new pods run side by side during every rollout and tickets outlive both, so a field that exists keeps
its number, name, type and cardinality for ever; a removed field leaves its number and its name reserved.
"""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

type_name = FieldDescriptorProto.Type.Name
label_name = FieldDescriptorProto.Label.Name


def violations(old: FileDescriptorSet, new: FileDescriptorSet) -> list[str]:
    """Say, one sentence each, how `new` breaks readers or writers of `old`. Empty: additions only."""
    return [*_messages(old, new), *_enums(old, new)]


def _messages(old: FileDescriptorSet, new: FileDescriptorSet) -> Iterator[str]:
    present = dict(_all_messages(new))
    for name, message in _all_messages(old):
        if name not in present:
            yield f"{name}: message removed; keep it, marked deprecated"
        else:
            yield from _fields(name, message, present[name])
            yield from _reservations(name, message, present[name], end_included=False)


def _enums(old: FileDescriptorSet, new: FileDescriptorSet) -> Iterator[str]:
    present = dict(_all_enums(new))
    for name, enum in _all_enums(old):
        if name not in present:
            yield f"{name}: enum removed; keep it, marked deprecated"
        else:
            yield from _values(name, enum, present[name])
            yield from _reservations(name, enum, present[name], end_included=True)


def _fields(name: str, old: DescriptorProto, new: DescriptorProto) -> Iterator[str]:
    present = {field.number: field for field in new.field}
    for field in old.field:
        if field.number not in present:
            yield from _removal(f"{name}.{field.name}", field, new, end_included=False)
        else:
            yield from _differences(
                f"{name}.{field.name}", _field_facts(old, field), _field_facts(new, present[field.number])
            )


def _values(name: str, old: EnumDescriptorProto, new: EnumDescriptorProto) -> Iterator[str]:
    present = {(value.number, value.name) for value in new.value}
    for value in old.value:
        if (value.number, value.name) not in present:
            yield from _removal(f"{name}.{value.name}", value, new, end_included=True)


def _field_facts(message: DescriptorProto, field: FieldDescriptorProto) -> dict[str, str]:
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else "none"
    return {
        "name": field.name,
        "type": field.type_name or type_name(field.type),
        "label": label_name(field.label),
        "oneof": oneof,
        "JSON name": field.json_name,
    }


def _differences(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for fact, value in old.items():
        if new[fact] != value:
            yield f"{where}: {fact} changed from {value} to {new[fact]}; add a new field instead"


def _removal(
    where: str,
    gone: FieldDescriptorProto | EnumValueDescriptorProto,
    new: DescriptorProto | EnumDescriptorProto,
    *,
    end_included: bool,
) -> Iterator[str]:
    if _first_gap(gone.number, gone.number + 1, _reserved(new, end_included=end_included)) is not None:
        yield f"{where}: number {gone.number} removed or given another name without `reserved {gone.number};`"
    if gone.name not in new.reserved_name:
        yield f'{where}: name removed or given another number without `reserved "{gone.name}";`'


def _reservations(
    name: str,
    old: DescriptorProto | EnumDescriptorProto,
    new: DescriptorProto | EnumDescriptorProto,
    *,
    end_included: bool,
) -> Iterator[str]:
    kept = _reserved(new, end_included=end_included)
    for start, end in _reserved(old, end_included=end_included):
        if (number := _first_gap(start, end, kept)) is not None:
            yield f"{name}: number {number} is no longer reserved; a number is never used twice"
    for text in sorted(set(old.reserved_name) - set(new.reserved_name)):
        yield f"{name}: name {text} is no longer reserved; a name is never used twice"


def _reserved(kind: DescriptorProto | EnumDescriptorProto, *, end_included: bool) -> list[tuple[int, int]]:
    """Half-open spans in order; ranges end before `end` in messages and at `end` in enums (descriptor.proto)."""
    return sorted((span.start, span.end + int(end_included)) for span in kind.reserved_range)


def _first_gap(start: int, end: int, spans: Iterable[tuple[int, int]]) -> int | None:
    """Find the first number of start..end-1 that no span covers; spans come in order."""
    for low, high in spans:
        if low <= start < high:
            start = high
    return start if start < end else None


def _all_messages(files: FileDescriptorSet) -> Iterator[tuple[str, DescriptorProto]]:
    for file in files.file:
        yield from _nested(file.package, file.message_type)


def _nested(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        name = f"{scope}.{message.name}"
        yield name, message
        yield from _nested(name, message.nested_type)


def _all_enums(files: FileDescriptorSet) -> Iterator[tuple[str, EnumDescriptorProto]]:
    for file in files.file:
        yield from ((f"{file.package}.{enum.name}", enum) for enum in file.enum_type)
    for name, message in _all_messages(files):
        yield from ((f"{name}.{enum.name}", enum) for enum in message.enum_type)
