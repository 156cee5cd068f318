"""Comments of values.yaml become data."""

import pytest

from mailyard.chart.entries import BadComment, entries

VALUES = """\
# About the file.

## Names

# The name,
# in two lines.
# @schema {minLength: 1}
# @schema {maxLength: 9}
name: post

image:
  # Where it is.
  tag: ""

## Others

# Any labels.
# @schema {additionalProperties: {type: string}}
labels: {}
# A known shape.
# @schema {ref: resources}
resources:
  limits: {memory: 1Gi}
"""


def test_the_comment_right_above_a_key_describes_it():
    name, *_ = entries(VALUES)
    assert (name.path, name.description, name.default) == (("name",), "The name, in two lines.", "post")


def test_schema_lines_add_up_and_are_no_description():
    name, *_ = entries(VALUES)
    assert name.keywords == {"minLength": 1, "maxLength": 9}


def test_values_inside_have_the_whole_path():
    _, image, *_ = entries(VALUES)
    (tag,) = image.children
    assert (tag.path, tag.name, tag.description, tag.default) == (("image", "tag"), "tag", "Where it is.", "")


def test_a_section_reaches_to_the_next_one():
    assert [(entry.name, entry.section) for entry in entries(VALUES)] == [
        ("name", "Names"),
        ("image", "Names"),
        ("labels", "Others"),
        ("resources", "Others"),
    ]


def test_what_has_a_definition_is_one_value():
    *_, resources = entries(VALUES)
    assert resources.children == ()
    assert resources.default == {"limits": {"memory": "1Gi"}}


@pytest.mark.parametrize(
    ("comment", "told"),
    [
        ("# @schema {minimum: 1", "a.b: @schema {minimum: 1: while parsing"),
        ("# @schema minimum", "a.b: @schema needs a mapping, such as {minimum: 1}"),
    ],
)
def test_a_schema_line_that_cannot_be_read_is_named(comment: str, told: str):
    with pytest.raises(BadComment) as bad:
        entries(f"a:\n  {comment}\n  b: 1\n")
    assert str(bad.value).startswith(told)


def test_a_file_that_holds_no_values_is_refused():
    with pytest.raises(BadComment, match="expected a mapping"):
        entries("- 1\n")
