"""The Helm chart, as rendered by Helm: what it makes, what it refuses, and that clusters would take it."""
