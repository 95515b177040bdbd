"""Every error code: stable, explained, and reached by something that a host or an operator can do."""
