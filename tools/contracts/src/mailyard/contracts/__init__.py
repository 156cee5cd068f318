"""Generates the code of the protobuf contracts and keeps their changes additive."""
