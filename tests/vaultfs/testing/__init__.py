"""Tests of the testing room: invented patients, the shipped sample, and the dictionary made from them."""
