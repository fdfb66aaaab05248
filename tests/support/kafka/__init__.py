"""A real Apache Kafka from its jars."""
