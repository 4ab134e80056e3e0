"""Lavori's workers: take jobs, run them, report, settle."""
