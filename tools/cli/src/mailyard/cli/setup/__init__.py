"""`mailyard setup`: prepare a first start or an upgrade; idempotent."""
