"""The parts of the job type query_table."""
