"""The tests. Unit tests mirror the packages; scenario tests are named after their scenario."""
