"""Each benchmark of a part runs with the present code."""

import importlib
import pkgutil
import smtplib

import pytest

import bench
from bench.smtp_engine import ENGINES, HOST, running


def _modules() -> list[str]:
    found = pkgutil.walk_packages(bench.__path__, "bench.")
    return [each.name for each in found if not each.name.endswith("__main__")]


@pytest.mark.parametrize("name", _modules())
def test_a_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("engine", ENGINES)
def test_both_smtp_engines_take_a_mail(engine: str) -> None:
    with running(engine) as (_pid, port), smtplib.SMTP(HOST, port, timeout=20) as client:
        assert client.sendmail("a@example.com", ["user@example.org"], b"Subject: a\r\n\r\nb\r\n") == {}
