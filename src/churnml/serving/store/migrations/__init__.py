"""How the store's schema became what it is; run by ``revisions.py``."""
