"""The login log: who has used an account, from where, and who has tried to."""
