"""Checks of the container images: `make images-check`, and what can be checked without a build."""
