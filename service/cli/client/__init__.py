"""The commands for users. They speak HTTP alone, and know nothing of the service but what docs/api.md says."""
