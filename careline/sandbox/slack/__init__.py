"""Stand-in for Slack: Web API, Socket Mode and a page where a person can look and click."""
