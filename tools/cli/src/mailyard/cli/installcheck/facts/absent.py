"""What cannot be looked at from here: no fault, but an unknown."""


class Absent(Exception):
    """Facts that are not to be had; `instruction` says how they would be."""

    def __init__(self, reason: str, instruction: str) -> None:
        super().__init__(reason)
        self.instruction = instruction
