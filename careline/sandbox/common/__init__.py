"""What both stand-in servers share: faults, pace, history and plain HTTP helpers."""
