"""Stand-in for the X API v2: accounts, posts and direct messages over real HTTP."""
