"""Decisions over facts, one file for each area: values in, findings out."""
