"""`mailyard database-user`: a user with least rights for each service, in MongoDB and RabbitMQ."""
