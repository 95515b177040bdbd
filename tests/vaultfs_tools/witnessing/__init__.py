"""Tests of the witness on another host."""
