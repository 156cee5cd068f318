"""Version 1 of the contracts: generated from proto/mailyard/proto/v1, committed, checked to be current."""
