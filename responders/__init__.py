"""People and bots: where a case is shown, claimed and answered."""
