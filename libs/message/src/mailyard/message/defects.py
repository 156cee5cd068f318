"""Defects: what a parser cut, or read in one of several possible ways. No limit and no tolerance is silent.

A defect is a fact about a message, not a verdict. The filter, the log and the timeline name them by their values.
"""

from enum import StrEnum


class Defect(StrEnum):
    """A reason why a message may hold something else, or more, than was read."""

    # cut: something was not looked at
    TOO_MANY_PARTS = "too-many-parts"
    TOO_DEEP = "too-deep"
    PART_HEADER_TOO_LONG = "part-header-too-long"
    HEADER_TOO_LONG = "header-too-long"
    TOO_MANY_FIELDS = "too-many-fields"
    CONTENT_CUT = "content-cut"
    # doubtful: readers disagree
    HEADER_DOUBTFUL = "header-doubtful"
    DUPLICATE_FIELD = "duplicate-field"
    DUPLICATE_CONTENT_TYPE = "duplicate-content-type"
    DUPLICATE_PARAMETER = "duplicate-parameter"
    CONTENT_TYPE_INVALID = "content-type-invalid"
    BOUNDARY_MISSING = "boundary-missing"
    BOUNDARY_REPEATED = "boundary-repeated"
    DELIMITER_AMBIGUOUS = "delimiter-ambiguous"
    DELIMITER_MISSING = "delimiter-missing"
    NOT_CLOSED = "multipart-not-closed"
    ENCODED_MESSAGE = "encoded-message"
    ENCODING_UNKNOWN = "encoding-unknown"
    ENCODING_DAMAGED = "encoding-damaged"
    CHARSET_UNKNOWN = "charset-unknown"
    CHARSET_WRONG = "charset-wrong"
    NUL_IN_HEADER = "nul-in-header"
    EIGHT_BIT_HEADER = "eight-bit-header"
    BARE_CR_IN_HEADER = "bare-cr-in-header"
    PARTIAL_MESSAGE = "partial-message"
    EXTERNAL_BODY = "external-body"
    TNEF = "tnef"
    # shortened: the answer to a client leaves something out
    ENVELOPE_SHORTENED = "envelope-shortened"
    STRUCTURE_SHORTENED = "structure-shortened"

    @property
    def is_cut(self) -> bool:
        """Whether a part of the message was not looked at."""
        return self in _CUT


_CUT = frozenset(
    (
        Defect.TOO_MANY_PARTS,
        Defect.TOO_DEEP,
        Defect.PART_HEADER_TOO_LONG,
        Defect.HEADER_TOO_LONG,
        Defect.TOO_MANY_FIELDS,
        Defect.CONTENT_CUT,
    )
)
NONE: frozenset[Defect] = frozenset()
