"""Features: what they are, how time is cut for them, and how they are computed."""
