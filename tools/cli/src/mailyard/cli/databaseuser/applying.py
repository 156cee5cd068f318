"""Create or update roles and users in MongoDB."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from mailyard.cli.databaseuser.mongodb import Command, role_of, user_of
from mailyard.cli.databaseuser.rights import ServiceRights
from mailyard.cli.secret import first_line
from mailyard.cli.session import Refused
from mailyard.store.client import Row, Store, unavailable_when_away

_ROLE_EXISTS = 51_002
_USER_EXISTS = 51_003
_UNAUTHORIZED = 13
_MAJORITY = {"w": "majority"}


@dataclass(frozen=True, slots=True)
class Login:
    """A service's rights, and the password of its user."""

    rights: ServiceRights
    password: str = field(repr=False)


def logins_in(folder: Path, wanted: Sequence[ServiceRights]) -> list[Login]:
    """Read one password file per service, named like the service. Raises Refused with each invalid file."""
    found: list[Login] = []
    problems: list[str] = []
    for rights in wanted:
        try:
            password = first_line((folder / rights.service).read_text())
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"cannot read the password of {rights.service}: {error}")
            continue
        if not password:
            problems.append(
                f"{folder / rights.service} is empty: write the password of {rights.service} to it"
            )
        found.append(Login(rights, password))
    if problems:
        raise Refused("; ".join(problems))
    return found


async def apply(store: Store, logins: Sequence[Login], say: Callable[[str], None]) -> None:
    """Create or update the role and the user of each service, the role first. Idempotent, and safe when run twice at once.

    A user that is there keeps its connections: it is never removed, and its password and roles change in one step.

    Raises:
        Refused: the URL's own user may not do this.
        Unavailable: MongoDB is unreachable.

    """
    with unavailable_when_away():
        for login in logins:
            rights, database = login.rights, store.db
            role = await _make(database, "Role", rights, role_of(rights, database.name), _ROLE_EXISTS)
            described = {**user_of(rights), "pwd": login.password}
            user = await _make(database, "User", rights, described, _USER_EXISTS)
            say(f"{rights.user}: role {role}, user {user}")


async def _make(
    database: AsyncDatabase[Row], kind: str, rights: ServiceRights, described: Command, exists: int
) -> str:
    """Create a role or a user, or update an existing one."""
    try:
        await database.command({f"create{kind}": rights.user, **described, "writeConcern": _MAJORITY})
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:
            raise Refused(
                f"the user of MAILYARD_MONGO_URL may not create {rights.user} in the database {database.name}: "
                "use a user with the role userAdmin on that database"
            ) from None
        if error.code != exists:
            raise
        await database.command({f"update{kind}": rights.user, **described, "writeConcern": _MAJORITY})
        return "updated"
    return "created"
