"""Elements of DER (X.690), as far as certificates need them."""


def content(der: bytes, tag: int | None = None) -> bytes:
    """Return the content of the first element. Raises ValueError: it has another tag; IndexError: it is cut off."""
    if tag is not None and der[0] != tag:
        raise ValueError("this is no X.509 certificate")
    begin, end = _bounds(der)
    return der[begin:end]


def after(der: bytes) -> bytes:
    """Return what follows the first element."""
    return der[_bounds(der)[1] :]


def _bounds(der: bytes) -> tuple[int, int]:
    """Where the content of the first element begins and ends (X.690, section 8.1.3)."""
    length = der[1]
    if length < 0x80:
        return 2, 2 + length
    octets = length & 0x7F
    begin = 2 + octets
    return begin, begin + int.from_bytes(der[2:begin], "big")
