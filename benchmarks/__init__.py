"""What this machine does, beside its limits: `make bench`."""
