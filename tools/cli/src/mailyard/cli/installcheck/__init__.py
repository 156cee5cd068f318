"""`mailyard install-check`: checks with instructions, before and after an installation."""
