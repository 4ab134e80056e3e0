"""Definitions: stored requests that jobs are made of, by hand or on a schedule."""
