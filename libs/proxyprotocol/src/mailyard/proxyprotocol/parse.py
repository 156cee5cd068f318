"""Parse a header of either version."""

from mailyard.proxyprotocol import binary, text
from mailyard.proxyprotocol.header import Header, NotAHeader

MOST_OCTETS = max(text.MOST_OCTETS, binary.MOST_OCTETS)  # no header is longer


def parse_header(octets: bytes) -> Header | None:
    """Parse the header at the beginning of `octets`; None while it is incomplete.

    So with None all of `octets` belongs to the header, and with a header its first `size` octets do.

    Raises:
        NotAHeader: they begin with something else.
        Malformed: they begin as a header does and then break its rules, or its bounds.

    """
    for signature, parse in ((binary.SIGNATURE, binary.parse_block), (text.SIGNATURE, text.parse_line)):
        if octets.startswith(signature):
            return parse(octets)
        if signature.startswith(octets):
            return None
    raise NotAHeader("no PROXY header")
