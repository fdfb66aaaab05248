"""Stand-ins for networks and Slack, spoken to over real HTTP and WebSocket."""
