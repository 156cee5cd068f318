"""Hostile input of every kind against a running instance, watched: `make hostile`."""
