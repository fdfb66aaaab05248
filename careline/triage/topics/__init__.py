"""Which topics a message is about, and which are emerging."""
