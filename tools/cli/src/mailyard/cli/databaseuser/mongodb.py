"""The commands that make a service's role and user in MongoDB.

Role and user are kept in Mailyard's database itself: the user logs in with `authSource=<database>`, a role there can
grant nothing outside, and the user who makes them needs the role `userAdmin` on that database only.
"""

import json
from typing import Any

from mailyard.cli.databaseuser.rights import COLLECTIONS, ServiceRights

Command = dict[str, Any]
MECHANISMS = ["SCRAM-SHA-256"]


def privileges(rights: ServiceRights, database: str) -> list[Command]:
    """Return the privileges of a role: for each collection, the actions that the service may take."""
    actions = {
        "find": rights.read,
        "insert": rights.insert,
        "update": rights.update,
        "remove": rights.remove,
        "createIndex": rights.index,
        "dropIndex": rights.index,
        "listIndexes": rights.index,
    }
    of_collections = [
        {"resource": {"db": database, "collection": collection}, "actions": allowed}
        for collection in COLLECTIONS
        if (allowed := [action for action, collections in actions.items() if collection in collections])
    ]
    of_database = {"resource": {"db": database, "collection": ""}, "actions": ["dbStats"]}
    return [*of_collections, *([of_database] if rights.statistics else [])]


def role_of(rights: ServiceRights, database: str) -> Command:
    """Return the fields of `createRole` and `updateRole` except the name."""
    return {"privileges": privileges(rights, database), "roles": []}


def user_of(rights: ServiceRights) -> Command:
    """Return the fields of `createUser` and `updateUser` except name and password."""
    return {"roles": [rights.user], "mechanisms": MECHANISMS}


def create_commands(rights: ServiceRights, database: str) -> list[Command]:
    """Return the commands that create a role and its user, without the password."""
    return [
        {"createRole": rights.user, **role_of(rights, database)},
        {"createUser": rights.user, **user_of(rights)},
    ]


def as_mongosh(command: Command, database: str) -> str:
    """Write a command for mongosh, one privilege to a line; mongosh asks for the password of a new user."""
    entries = [f"{json.dumps(key)}: {_in_lines(value)}" for key, value in command.items()]
    if "createUser" in command:
        entries.append('"pwd": passwordPrompt()')
    return "\n".join(
        (f"db.getSiblingDB({json.dumps(database)}).runCommand({{", *[f"  {each}," for each in entries], "})")
    )


def _in_lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"
    return json.dumps(value)
