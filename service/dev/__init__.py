"""The whole system on one machine: embedded servers and a supervisor, for `lavori dev` and the tests."""
