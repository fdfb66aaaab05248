"""Other ways to judge a text, behind the one protocol of `careline.triage.protocol`.

Promise: none of them can lose a query or hold the stream up. Each stands over the default triager,
has a bound of time, and gives back what the default says wherever it fails, is late, or may not be
asked.
"""
