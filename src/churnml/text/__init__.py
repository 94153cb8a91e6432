"""What customers say: tone, intents, competitors and themes of messages."""
