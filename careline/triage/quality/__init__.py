"""How good triage is: on a data folder, by what people corrected, and what follows from it."""
