"""Quantities as Kubernetes writes them, as numbers."""

from typing import Final

_MEMORY: Final = {"Mi": 2**20, "Gi": 2**30}


def millicores(cpu: str) -> int:
    """Read `250m` or `1`."""
    return int(cpu.removesuffix("m")) * (1 if cpu.endswith("m") else 1000)


def octets(memory: str) -> int:
    """Read `96Mi` or `1Gi`."""
    return int(memory[:-2]) * _MEMORY[memory[-2:]]
