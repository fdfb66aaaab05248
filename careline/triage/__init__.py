"""What a text means: from a text to a triage with reasons."""
