"""A model of Mailyard's pipeline under a Kubernetes autoscaler; run by `python -m bench.autoscale_sim`."""
