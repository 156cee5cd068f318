"""Errors of changes of the directory; the text is for the administrator."""


class DirectoryError(Exception):
    """A change was refused."""


class Invalid(DirectoryError):
    """A name, address, password or limit is not acceptable."""


class NotFound(DirectoryError):
    """The object of a change, or its owner, does not exist in this tenant."""


class AlreadyExists(DirectoryError):
    """The name or address is taken; it may belong to another tenant."""


class InUse(DirectoryError):
    """The object of a removal is still used; the text names the user."""


class LimitReached(DirectoryError):
    """A limit of a tenant or of its reseller does not permit the change; the text has the limit and the use."""
