"""The engine through its public API: every promise a test, scenarios in files of their own."""
