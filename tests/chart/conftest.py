"""Rendered charts that many tests share."""

import pytest

from tests.chart.render import OVERLAYS, Objects, render


@pytest.fixture(scope="session")
def trial() -> Objects:
    """The trial overlay on a cluster with everything that the chart knows of."""
    return render("trial")


@pytest.fixture(scope="session")
def production() -> Objects:
    """The production overlay on such a cluster."""
    return render("production")


@pytest.fixture(scope="session", params=sorted(OVERLAYS))
def overlay(request: pytest.FixtureRequest) -> Objects:
    """Each overlay in turn."""
    return render(request.param)
