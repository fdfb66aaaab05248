"""The auditor: proves the promise from outside the happy path, and asks for repair."""
