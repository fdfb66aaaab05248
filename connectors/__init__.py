"""Networks in and out: one folder a network, all with the same cast."""
