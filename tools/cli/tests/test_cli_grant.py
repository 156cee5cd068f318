"""Grants by command."""

import pytest

ANNA, BERT = "anna@example.org", "bert@example.org"


@pytest.fixture
def accounts(example):
    for address in (ANNA, BERT):
        assert example("account", "add", address, "--generate").exit_code == 0
    return example


def test_a_grant_is_added_changed_listed_and_removed(accounts):
    expected = {"account": ANNA, "address": BERT, "kind": "send-as", "tenant": "acme"}
    assert accounts.json("grant", "add", ANNA, BERT) == [expected]
    on_behalf = {**expected, "kind": "send-on-behalf"}
    assert accounts.json("grant", "add", ANNA, BERT, "--kind", "send-on-behalf") == [on_behalf]
    assert accounts.json("grant", "list", ANNA) == [on_behalf]
    assert accounts.json("grant", "remove", ANNA, BERT) == [on_behalf]
    assert accounts.json("grant", "list", ANNA) == []


def test_a_grant_for_an_address_of_nobody_is_refused(accounts):
    result = accounts("grant", "add", ANNA, "nobody@example.org")
    assert result.exit_code == 1
    assert "no address nobody@example.org" in result.stderr


def test_a_grant_that_is_not_there_cannot_be_removed(accounts):
    result = accounts("grant", "remove", ANNA, BERT)
    assert (result.exit_code, "no grant for bert@example.org" in result.stderr) == (1, True)
