"""What is true: pure and synchronous rules; the present moment is an argument."""
