"""`mailyard database-user`: one user of MongoDB and of RabbitMQ for each service, with the least rights."""
