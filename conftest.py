"""Every test of the workspace may ask for a real MongoDB and a real RabbitMQ; see mailyard.local.testing."""

pytest_plugins = ["mailyard.local.testing"]
