"""Tests of the format codecs: all structures read back, all damage named, all derivations computed a second time."""
