"""One module a revision: what it adds, how that is taken back, and whose rows go with it."""
