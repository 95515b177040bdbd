"""Keys: the way from a recipient and an epoch secret to the keys of every file, and the stores of epoch secrets.

A *recipient* is whoever a vault is sealed for, an *unlocker* what opens it; most are both. Promises: no key in a repr,
log or error; costs bounded before they run; comparisons in constant time. May import `vaultfs_format`, `vaultfs.model`,
`vaultfs.errors` and `vaultfs.vfs`; what only some recipients take is imported when it is used.
"""

from vaultfs_format.undumpable import undumpable

from vaultfs.keys.escrow import Escrow, Shares
from vaultfs.keys.hosts import HostKey, KeyService
from vaultfs.keys.lifecycle import Cryptoperiod, KeyKind, KeyRef, KeyState, Life, OnExpiry, Reason
from vaultfs.keys.listing import RecipientInfo
from vaultfs.keys.publickeys import PrivateKey, RecipientKey
from vaultfs.keys.recipients import Passphrase, Recipient, Unlocker
from vaultfs.keys.tokens import Token
from vaultfs.keys.tokenstores import TokenStore

__all__ = [
    "Cryptoperiod",
    "Escrow",
    "HostKey",
    "KeyKind",
    "KeyRef",
    "KeyService",
    "KeyState",
    "Life",
    "OnExpiry",
    "Passphrase",
    "PrivateKey",
    "Reason",
    "Recipient",
    "RecipientInfo",
    "RecipientKey",
    "Shares",
    "Token",
    "TokenStore",
    "Unlocker",
    "undumpable",
]
