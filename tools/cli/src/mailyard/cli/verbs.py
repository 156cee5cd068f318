"""All verbs of the command. Only the one that is called is loaded: a sink that lives for months shall hold no other."""

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
    """A word behind `mailyard`: the function, or the Typer of several, that does it; `line` is what its own help begins with."""

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
        "Prepare a first start or an upgrade: indexes, topology, and what the file names.",
    ),
    Verb(
        "install-check",
        "installcheck.command",
        "install_check",
        "Check the cluster and the world around it, before or after the installation.",
    ),
    Verb(
        "canary",
        "canary",
        "canary",
        "Send test messages through the whole system and report how long they took.",
    ),
    Verb("sink", "sink", "sink", "Take all mail, for every domain, until told to stop."),
    Verb(
        "load",
        "load",
        "load",
        "Send many mails to your own Mailyard: to its MX, or to submission as an account.",
    ),
    Verb("trace", "trace", "trace", "Show what happened to a message, over all its legs."),
    Verb("ledger", "ledger", "ledger", "Count what was accepted, and what became of it."),
    Verb(
        "schema",
        "schema",
        "schema",
        "Create what is missing of the store's indexes: once before the first start, and after each upgrade.",
    ),
    Verb("tenant", "tenant", "app", "Manage tenants (customers). Each owns domains."),
    Verb("domain", "domain", "app", "Manage the domains that Mailyard accepts mail for."),
    Verb("account", "account", "app", "Manage accounts: a mail address, a password, mailboxes."),
    Verb("alias", "alias", "app", "Manage aliases (addresses that forward to others)."),
    Verb("queue", "queue", "app", "Queues: work that waits for a service."),
    Verb("replica-set", "replicaset.command", "app", "MongoDB replica sets: a new one for a trial."),
    Verb(
        "database-user",
        "databaseuser.command",
        "app",
        "Database users: one for each service, with the rights that it needs and no others.",
    ),
)

VERBS: Mapping[str, Verb] = MappingProxyType({verb.name: verb for verb in _VERBS})


class Verbs(TyperGroup):
    """A group that holds a word of help for each verb, and loads the verb that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Put the verb itself in the place of its word of help."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, VERBS[name].load() if name else None, rest


def add_verbs(app: typer.Typer) -> None:
    """Give all verbs to a Typer whose group is `Verbs`."""
    for verb in VERBS.values():
        app.command(verb.name, help=verb.line)(_not_loaded)


def _not_loaded() -> None:
    raise AssertionError("a verb is loaded before it runs")
