"""What customers say: what they wrote, what they ask for, whom they name, what it is about."""
