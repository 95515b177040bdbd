"""The policy seam: what is asked, what is denied, what is recorded of it."""
