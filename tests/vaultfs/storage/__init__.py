"""What keeps a vault whole: repair, scrubbing and maintenance, against every kind of damage."""
