"""Networks in and out: one folder for each network, all with the same cast."""
