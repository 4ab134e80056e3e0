"""The dues that import_dovuti keeps, to be read."""
