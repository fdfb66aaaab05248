"""What a text means: query or not, sentiment, urgency, language, with reasons."""
