"""The contract: sans-I/O codecs of the vault format. Bytes in, bytes out.

Parses, checks, seals and opens every structure of SPEC.md, given keys where a structure is sealed. No file access, no
LMDB, no policy, no clock. Every malformed byte is a typed error with a stable code (`vaultfs_format.errors`), every
length is bounded before it is believed, and encoding what was decoded gives the same bytes.
"""

import cryptography.exceptions  # noqa: F401 - before hashlib: of two OpenSSLs in a process the first gets the FIPS module
