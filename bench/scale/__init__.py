"""What periodic jobs and hot queries cost on the largest data that the design names."""
