"""Side-by-side benchmarks against peers; `python -m bench` is `make bench`."""
