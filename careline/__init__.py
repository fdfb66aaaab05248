"""The heart of the bridge, and the composition root on top of it."""
