"""What customers say: what they wrote, how it sounds, what they want, whom they name, and why."""
