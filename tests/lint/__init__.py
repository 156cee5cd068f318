"""Rules of this code that no ready-made linter knows."""
