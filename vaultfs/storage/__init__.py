"""What keeps a vault whole for decades: scrubbing, repair, and the state of its redundancy."""
