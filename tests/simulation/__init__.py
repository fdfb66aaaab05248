"""The deterministic simulation: the real heart and ledger under virtual time, and a sceptic."""
