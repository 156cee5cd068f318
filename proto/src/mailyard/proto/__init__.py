"""Protobuf contracts of tickets and events."""
