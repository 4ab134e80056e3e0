"""The parts of the job type callWebserviceEndpoint."""
