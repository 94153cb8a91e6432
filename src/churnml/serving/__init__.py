"""Scores for whoever asks: today for all current accounts at once."""
