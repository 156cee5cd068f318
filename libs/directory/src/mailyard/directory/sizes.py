"""Sizes as people write them."""

import re

_SIZE = re.compile(r"(\d{1,15})([KMGT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def octets(text: str) -> int:
    """Read a size: a number, with K, M, G or T for powers of 1024. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size: write 500M or 5G")
    return int(found[1]) * _UNITS[found[2].upper()]
