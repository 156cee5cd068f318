"""What chaos, end-to-end tests and the benchmark share: an instance of their own, and foreign eyes on it."""
