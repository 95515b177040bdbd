"""The exported view of the audit log: the texts and tiles of the transparency logs of c2sp.org, without I/O.

`note` is what is signed, `keys` by whom, `checkpoint` the head of a log, `tiles` its hashes and entries, `proof` the
file that proves one entry offline, `policy` whom a reader believes, `witness` what is asked of a cosigner. All but
policies, which people write, have one spelling: what is parsed is written again byte for byte.
"""
