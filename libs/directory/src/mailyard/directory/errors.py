"""What can be wrong with a change of the directory; the text is for the person who asked for it."""


class DirectoryError(Exception):
    """A change was refused."""


class Invalid(DirectoryError):
    """A name, address, password or limit is not acceptable."""


class NotFound(DirectoryError):
    """What should be changed, or what it should belong to, does not exist in this tenant."""


class AlreadyExists(DirectoryError):
    """The name or address is taken; it may belong to another tenant."""


class InUse(DirectoryError):
    """What should be removed is still needed by something else, which the text names."""
