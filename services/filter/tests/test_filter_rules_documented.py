"""The examples of docs/filter-rules.md are read and applied."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from mailyard.broker.pipeline import Route
from mailyard.filter.mail import Mail, MailEnvelope
from mailyard.filter.rules.patterns import Comparison
from mailyard.filter.rules.rule import LookAt, Rule
from mailyard.filter.rules.rulefile import Match, RuleVerb, read_rules
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.message.defects import Defect

PAGE = (
    next(parent for parent in Path(__file__).parents if (parent / "docs").is_dir())
    / "docs"
    / "filter-rules.md"
)


FILTER_DEFECTS = set(Defect) - {
    Defect.ENVELOPE_SHORTENED,
    Defect.STRUCTURE_SHORTENED,
}  # the others are IMAP's


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def rules(tmp_path) -> list[Rule]:
    path = tmp_path / "rules.toml"
    path.write_text("\n".join(examples("toml")))
    return read_rules(path)


def mail(body: bytes = b"Subject: x\r\n\r\nhello\r\n", **envelope) -> Mail:
    fields = {
        "sender": "a@there.test",
        "recipients": ("b@here.test",),
        "tenant": "here",
        "direction": Route.LOCAL,
    }
    return Mail(MailEnvelope(**{**fields, "size": len(body), **envelope}), b"", body)


@pytest.mark.parametrize(
    ("looked_at", "expected"),
    [
        (mail(), []),
        (mail(b"Content-Type: application/x; name=setup.EXE\r\n\r\nx"), ["programs"]),
        (mail(b"Subject: =?utf-8?q?You_have_won=21?=\r\n\r\nx"), ["lottery"]),
        (mail(b"\r\nplease claim your winnings now"), ["lottery"]),
        (mail(tenant="acme", direction=Route.REMOTE, size=20_000_000), ["acme.large"]),
        (mail(tenant="acme", direction=Route.REMOTE, size=2_000), []),
        (
            mail(b"X-Approved: yes\r\nFrom: x@example.com\r\n\r\n", sender="x@accounting.example.com"),
            ["accounting"],
        ),
        (mail(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\neA=="), ["opaque"]),
        (replace(mail(b"\r\ncut"), is_cut=True), ["opaque"]),
        (mail(b"\r\nX5O!P%@AP[4\\PZX54(P^)7CC)7}$"), ["worm"]),
    ],
)
def test_the_examples_do_what_the_page_says(rules, looked_at, expected):
    assert [rule.name for rule in RuleSet(rules).match(looked_at)] == expected


def test_the_json_example_says_the_same_as_the_first_toml_example():
    (json_example,) = examples("json")
    assert json.loads(json_example) == tomllib.loads(examples("toml")[0])


def test_the_page_names_every_word_of_the_format():
    text = PAGE.read_text()
    words = [
        *LookAt,
        *Comparison,
        *RuleVerb,
        *Match,
        *FILTER_DEFECTS,
        "incomplete",
        "ignore_case",
        "not",
        "over",
        "under",
        "stop",
        "status",
        "spam",
        "add_fields",
    ]
    assert [
        word
        for word in words
        if f"`{word}`" not in text and f'`"{word}"`' not in text and f"`{word} =" not in text
    ] == []
