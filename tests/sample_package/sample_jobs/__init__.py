"""Job types of another package."""
