"""What raises the urgency of a message, whatever the triager says, and is told as a reason."""
