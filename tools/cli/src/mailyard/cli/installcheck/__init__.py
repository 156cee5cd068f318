"""`mailyard install-check`: errors, warnings and instructions, before and after an installation."""
