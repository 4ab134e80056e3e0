"""Work in a child process with limits, for the API and for job types."""
