"""Handlers of commands, one module for each family, and the dispatcher that calls them.

A handler takes the session and the command, writes untagged responses, and returns the result of the command.
"""
