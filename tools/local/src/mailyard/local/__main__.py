"""`python -m mailyard.local`."""

from mailyard.local.main import main

main()
