"""What the test run adds to pytest: a report fit to be committed, and skips that nobody overlooks."""
