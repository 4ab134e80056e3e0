"""The commands for operators. Each loads what it needs when it runs, so that the others start fast."""
