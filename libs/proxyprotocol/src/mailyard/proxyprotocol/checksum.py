"""CRC-32C (Castagnoli), as RFC 9260, appendix A describes it."""

_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41 with its bits in reverse
_ALL = 0xFFFFFFFF


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = tuple(_row(octet) for octet in range(256))


def crc32c(octets: bytes) -> int:
    """Return the checksum of some octets."""
    value = _ALL
    for octet in octets:
        value = value >> 8 ^ _TABLE[(value ^ octet) & 0xFF]
    return value ^ _ALL
