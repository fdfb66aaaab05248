"""Faust: from a Kafka record to triage, the ledger and back, and no business rule."""
