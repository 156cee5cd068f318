"""Every command that the library parses has one handler, in one table."""

from imap_strategies import commands

from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap_server.handlers.registry import HANDLERS


def _concrete(kind):
    for each in kind.__subclasses__():
        yield from _concrete(each)
        if "verb" in vars(each):
            yield each


def test_every_command_has_a_handler_but_append_whose_message_is_read_as_it_arrives():
    assert commands  # the module imports every command
    assert set(_concrete(ImapCommand)) - HANDLERS.keys() == {AppendCommand}
    assert HANDLERS.keys() <= set(_concrete(ImapCommand))
