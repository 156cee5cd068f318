"""Facts that cannot be read from here: reported as unknown, not as an error."""


class Absent(Exception):
    """Facts are not available here; `instruction` says how to get them."""

    def __init__(self, reason: str, instruction: str) -> None:
        super().__init__(reason)
        self.instruction = instruction
