"""How: plumbing for clocks, Kafka, Redis and child processes, which knows no case."""
