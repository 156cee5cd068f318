"""The queue manager: resolves recipients, releases, bounces, reconciles."""
