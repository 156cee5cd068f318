"""The double-entry ledger: what was accepted against what became of it."""
