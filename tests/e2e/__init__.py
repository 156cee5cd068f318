"""Whole ways through a running instance: real input, foreign clients, bad input."""
