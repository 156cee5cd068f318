"""Writes the Helm chart's README and schema from the comments of its values."""
