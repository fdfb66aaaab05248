"""Word lists of several languages, and the triager that needs nothing else."""
