"""Slows down the guessing of passwords, by counts that all processes share."""
