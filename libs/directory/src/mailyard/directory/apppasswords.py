"""The collection `app_passwords`: secrets that open an account for some protocols only, and are removed one by one.

| field | holds |
|---|---|
| `_id` | ObjectId |
| `tenant`, `account` | the owner: slug, and the account's id. Erasing an account or a tenant deletes by these |
| `name` | as its owner calls it; unique in its account |
| `digest` | SHA-256 of the account's id and the secret |
| `scopes` | imap, pop3, smtp |
| `networks` | the only networks that may use it; absent: all |
| `expires_at` | absent: never |
| `created_at`, `last_used_at`, `last_address` | written in batches, so the last use may be some seconds old |

A secret is generated and has 100 random bits, so a fast hash keeps it: nobody finds it by guessing. It is never stored.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.errors import AlreadyExists
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "app_passwords"
INDEXES = (
    IndexModel([("account", ASCENDING), ("digest", ASCENDING)], name="login", unique=True),
    IndexModel([("account", ASCENDING), ("name", ASCENDING)], name="name", unique=True),
    IndexModel([("tenant", ASCENDING), ("account", ASCENDING)], name="tenant"),
)
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 characters, none looks like another one
_LENGTH: Final = 20
_GROUP: Final = 5
_FORM: Final = re.compile(f"[{_ALPHABET}]{{{_LENGTH}}}")
_LONGEST: Final = 2 * _LENGTH  # characters of a typed secret, with spaces or hyphens


class LoginScope(StrEnum):
    """A protocol that an app password may open."""

    IMAP = "imap"
    POP3 = "pop3"
    SMTP = "smtp"


_SCOPES: Final = {"imap": LoginScope.IMAP, "pop3": LoginScope.POP3, "smtp-in": LoginScope.SMTP}


def scope_of(service: str) -> LoginScope | None:
    """Return the scope that covers a service; None: app passwords never open it."""
    return _SCOPES.get(service)


@dataclass(frozen=True, slots=True)
class AppPassword:
    """An app password without its secret."""

    id: ObjectId
    tenant: str
    account: ObjectId
    name: str
    scopes: frozenset[LoginScope]
    created_at: datetime
    networks: tuple[str, ...] = ()
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    last_address: str = ""


@dataclass(frozen=True, slots=True)
class AppPasswordUse:
    """The last use of an app password."""

    id: ObjectId
    tenant: str
    at: datetime
    address: str


class AppPasswords:
    """All queries on app passwords."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, added: AppPassword, digest: str) -> None:
        """Write a new one. Raises AlreadyExists, Unavailable."""
        row: Row = {
            "_id": added.id,
            "tenant": added.tenant,
            "account": added.account,
            "name": added.name,
            "digest": digest,
            "scopes": sorted(added.scopes),
            "created_at": added.created_at,
        }
        if added.networks:
            row["networks"] = list(added.networks)
        if added.expires_at is not None:
            row["expires_at"] = added.expires_at
        try:
            with unavailable_when_away():
                await self._rows.insert_one(row)
        except DuplicateKeyError:
            raise AlreadyExists(f"the account has an app password {added.name!r} already") from None

    async def list(self, tenant: str, account: ObjectId) -> Sequence[AppPassword]:
        """Read those of an account, by name. Raises Unavailable."""
        query = {"tenant": tenant, "account": account}
        with unavailable_when_away():
            rows = await self._rows.find(query, {"digest": False}).sort("name").to_list()
        return [app_password_of(row) for row in rows]

    async def find(self, tenant: str, account: ObjectId, digest: str) -> AppPassword | None:
        """Read the one of an account that has this digest. Raises Unavailable."""
        query = {"tenant": tenant, "account": account, "digest": digest}
        with unavailable_when_away():
            row = await self._rows.find_one(query, {"digest": False})
        return app_password_of(row) if row else None

    async def remove(
        self, tenant: str, account: ObjectId, name: str, session: AsyncClientSession
    ) -> AppPassword | None:
        """Delete and return one; None: the account has no such app password."""
        query = {"tenant": tenant, "account": account, "name": name}
        row = await self._rows.find_one_and_delete(query, session=session)
        return app_password_of(row) if row else None

    async def note_uses(self, uses: Collection[AppPasswordUse]) -> None:
        """Write the last uses with one command; an earlier use never replaces a later one. Raises Unavailable."""
        changes: list[Any] = [
            UpdateOne(
                {"_id": use.id, "tenant": use.tenant, "last_used_at": {"$not": {"$gte": use.at}}},
                {"$set": {"last_used_at": use.at, "last_address": use.address}},
            )
            for use in uses
        ]
        with unavailable_when_away():
            await self._rows.bulk_write(changes, ordered=False)


def app_password_of(row: Row) -> AppPassword:
    """Read a row; scopes of a later version do not count."""
    return AppPassword(
        id=row["_id"],
        tenant=row["tenant"],
        account=row["account"],
        name=row["name"],
        scopes=frozenset(LoginScope(each) for each in row["scopes"] if each in set(LoginScope)),
        created_at=row["created_at"],
        networks=tuple(row.get("networks", ())),
        expires_at=row.get("expires_at"),
        last_used_at=row.get("last_used_at"),
        last_address=row.get("last_address", ""),
    )


def new_secret() -> str:
    """Generate a secret, in groups that are easy to type."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def secret_in(password: str) -> str | None:
    """Return the secret that somebody typed, in any case and with or without hyphens and spaces; None: it is none."""
    if len(password) > _LONGEST:
        return None
    secret = password.replace("-", "").replace(" ", "").lower()
    return secret if _FORM.fullmatch(secret) else None


def digest_of(account: ObjectId, secret: str) -> str:
    """Return what is stored of a secret that `secret_in` gave."""
    return hashlib.sha256(account.binary + secret.encode()).hexdigest()


def is_in_networks(address: str, networks: Collection[str]) -> bool:
    """Return whether a client's address is in one of these networks; without networks, every address is."""
    if not networks:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ip_network(each) for each in networks)
