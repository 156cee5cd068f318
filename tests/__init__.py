"""What crosses services: chaos, end to end, benchmark logic."""
