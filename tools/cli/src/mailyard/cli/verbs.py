"""All verbs of the command. Only the called verb is imported, so that a long-running sink needs little memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of `mailyard`: its function, or its Typer with subcommands; `line` is the first line of its help."""

    name: str
    module: str
    attribute: str
    line: str

    def load(self) -> Any:
        """Import it, and return it as Typer runs it."""
        found = getattr(import_module(f"mailyard.cli.{self.module}"), self.attribute)
        alone = typer.Typer(rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=self.name)
        else:
            alone.command(self.name)(found)
        return get_group(alone).commands[self.name]


_VERBS = (
    Verb(
        "setup",
        "setup.command",
        "setup",
        "Prepare a first start or an upgrade: indexes, queues, and the entries of a setup file.",
    ),
    Verb(
        "install-check",
        "installcheck.command",
        "install_check",
        "Check cluster, network and DNS before an installation, or an installation.",
    ),
    Verb(
        "canary",
        "canary",
        "canary",
        "Send test messages through the whole system and report how long they took.",
    ),
    Verb("sink", "sink", "sink", "Accept all mail, for every domain, until stopped."),
    Verb(
        "load",
        "load",
        "load",
        "Send many mails to your own Mailyard: to its MX listener, or to submission with a login.",
    ),
    Verb("trace", "trace", "trace", "Show what happened to a message and its legs."),
    Verb("ledger", "ledger", "ledger", "Count accepted recipients and their outcomes."),
    Verb(
        "schema",
        "schema",
        "schema",
        "Create missing indexes in MongoDB: before the first start, and at each upgrade.",
    ),
    Verb("tenant", "tenant", "app", "Manage tenants: customers, which own domains, and resellers."),
    Verb("domain", "domain", "app", "Manage the domains that Mailyard accepts mail for."),
    Verb("account", "account", "app", "Manage accounts: a mail address, a password, mailboxes."),
    Verb("alias", "alias", "app", "Manage aliases (addresses that forward to others)."),
    Verb("login-log", "loginlog", "app", "Show who has logged in to an account, and who has tried to."),
    Verb("login-block", "loginblock", "app", "Show and lift temporary blocks after failed logins."),
    Verb(
        "app-password",
        "apppassword",
        "app",
        "Manage app passwords of accounts, for single programs and devices.",
    ),
    Verb("grant", "grant", "app", "Manage permissions to send as another address, or on behalf of it."),
    Verb("dkim", "dkim", "app", "Manage the DKIM keys of domains, and the DNS records that publish them."),
    Verb("sealing-key", "sealingkey", "app", "Make keys that encrypt the secrets in MongoDB."),
    Verb("queue", "queue", "app", "Show queues and dead letters."),
    Verb("replica-set", "replicaset.command", "app", "Initiate a MongoDB replica set for a trial."),
    Verb(
        "database-user",
        "databaseuser.command",
        "app",
        "Database users: one for each service, with least rights.",
    ),
)

VERBS: Mapping[str, Verb] = MappingProxyType({verb.name: verb for verb in _VERBS})


class Verbs(TyperGroup):
    """A group with one line of help for each verb; it imports the verb that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the placeholder by the imported verb."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, VERBS[name].load() if name else None, rest


def add_verbs(app: typer.Typer) -> None:
    """Give all verbs to a Typer whose group is `Verbs`."""
    for verb in VERBS.values():
        app.command(verb.name, help=verb.line)(_not_loaded)


def _not_loaded() -> None:
    raise AssertionError("a verb is loaded before it runs")
