"""What else a user could pick: small wrappers around other queues, measured doing the same work beside us."""
