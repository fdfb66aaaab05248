"""How many small bugs in the rules the tests of the heart notice."""
