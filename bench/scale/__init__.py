"""Cost of periodic jobs and hot queries on the largest data that the design names."""
