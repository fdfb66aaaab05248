"""People in Slack: one card per case, edited in place, with the buttons that become commands.

Promise: nothing here decides about a case. A click becomes a command in Kafka before it is
acknowledged; what Slack shows is a projection of the ledger.
"""
