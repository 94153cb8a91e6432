"""Features: what they are (catalogue), how time is cut for them (segments), how they are computed."""
