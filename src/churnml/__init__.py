"""Which customers will leave, why, and what to do on Monday."""
