"""The parts of the job type downloadFile."""
