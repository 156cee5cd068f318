"""Sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.directory.sizes import octets

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@given(st.integers(0, 10**15 - 1), st.sampled_from(sorted(UNITS)), st.booleans())
def test_a_number_with_a_unit_is_that_many_powers_of_1024(number, unit, lower):
    assert octets(f"{number}{unit.lower() if lower else unit}") == number * UNITS[unit]


@pytest.mark.parametrize(
    "text",
    ["", "G", "-1", "+1", "1.5G", "1 G", "1GB", "1KiB", "5P", "0x10", "1_000", " 1", "1\n", "much", "9" * 16],
)
def test_a_text_that_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not a size: write 500M or 5G"):
        octets(text)
