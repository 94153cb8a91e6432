"""Backtests: what scores were worth against churn that happened."""
