"""Recipients, epoch stores and the key chain."""
