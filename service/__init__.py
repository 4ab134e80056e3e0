"""Lavori's API: keeps jobs in PostgreSQL, hands them to workers through arq."""
