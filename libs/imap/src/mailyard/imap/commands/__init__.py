"""Every command as a frozen value, and the parser that makes it: one module for each family."""
