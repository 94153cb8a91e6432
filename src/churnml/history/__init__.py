"""History: the tables, where they come from, what is wrong with them, and what was known when."""
