"""What a score leads to: risk tiers now; who acts, how and by when follow from them."""
