"""The trained model: how its numbers are read, what it makes of a text, and why."""
