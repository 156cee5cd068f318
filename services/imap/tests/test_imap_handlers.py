"""Every command of the protocol library has one handler, in one table."""

from importlib import import_module
from pkgutil import iter_modules

from mailyard.imap import commands
from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap_server.handlers.registry import HANDLERS


def command_classes() -> set[type[ImapCommand]]:
    """The command classes that have a verb."""
    modules = [import_module(f"{commands.__name__}.{each.name}") for each in iter_modules(commands.__path__)]
    return {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, ImapCommand) and "verb" in vars(each)
    }


def test_every_command_has_a_handler_but_append_whose_message_is_read_as_it_arrives() -> None:
    assert command_classes() - HANDLERS.keys() == {AppendCommand}
    assert HANDLERS.keys() <= command_classes()
