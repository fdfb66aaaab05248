"""The ladder's second path: alerts by webhook and mail, for when Slack is down or nobody reads."""
