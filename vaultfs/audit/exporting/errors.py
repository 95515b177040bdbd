"""The errors of deliveries and of what they write, 2600 to 2649 of the registry: the log on its way to others."""

from __future__ import annotations

from vaultfs.errors import VaultError


class ReceiverFailed(VaultError, OSError):
    """The receiver did not take what was sent."""

    code = 2600
    advice = "Nothing is lost: the log keeps what was not taken, and the next run sends it. Look up the code itself."


class ReceiverUnreachable(ReceiverFailed, ConnectionError):
    """No connection to the receiver could be made."""

    code = 2601
    retryable = True
    advice = (
        "Check host, port and network, and whether the receiver runs; the log waits, and is sent from where it was."
    )


class ReceiverTooSlow(ReceiverFailed, TimeoutError):
    """The receiver did not connect, read or answer within the time limit."""

    code = 2602
    retryable = True
    advice = "Look at the load of the receiver; allow more time, or send fewer messages at once. The log waits."


class ReceiverLost(ReceiverFailed, ConnectionError):
    """The connection ended before both sides had closed it: what was sent on it may not have been taken."""

    code = 2603
    retryable = True
    advice = (
        "Run it again: what was sent on that connection is sent once more. If it goes on, look at the receiver: some"
        " do not say that they do not permit a client, some end every connection without an answer."
    )


class ReceiverNotTrusted(ReceiverFailed):
    """The certificate of the receiver is not right: nothing was sent."""

    code = 2604
    advice = "Check that the authority is the receiver's, that its certificate is in force, and that it has the name."


class ReceiverRefused(ReceiverFailed):
    """The receiver did not agree to a secure connection."""

    code = 2605
    advice = "Check the client certificate, whom the receiver permits, and that it speaks TLS 1.2 or later."


class CredentialsUnusable(VaultError, ValueError):
    """The certificates or the key for the connection cannot be used."""

    code = 2606
    advice = (
        "Check that the files are there, are PEM, that key and certificate belong together, and the key is in clear."
    )


class CursorDamaged(VaultError):
    """The file that says up to where was delivered is not one, or what follows from there on is not there."""

    code = 2610
    advice = (
        "Reconcile with what the receiver has, remove the file, and run the delivery: it begins anew, and the receiver"
        " drops what it has already."
    )


class DeliveryBusy(VaultError):
    """Somebody else delivers under this name, or writes to this directory."""

    code = 2611
    retryable = True
    advice = "Wait for it, or give each delivery a name, and each sink a directory, of its own."


class DeliveryOvertaken(VaultError):
    """The log was pruned beyond what was delivered: events are lost for the receiver."""

    code = 2612
    advice = (
        "What was pruned cannot be delivered any more. Deliver under another name, which begins with what is kept;"
        " prune no further than the lowest cursor."
    )


class MessageInvalid(VaultError, ValueError):
    """The message is not one of RFC 5424 in which VaultFS has shown an event or a checkpoint."""

    code = 2613
    advice = "Look at what has kept it: it was cut, changed or made by another program. Send the event again."


class CursorMissing(VaultError, FileNotFoundError):
    """No delivery of this log has left its cursor where it was looked for."""

    code = 2614
    advice = "Check the directory of cursors, the name of the delivery, and that the medium is mounted."


class SpoolMissing(VaultError, FileNotFoundError):
    """There is no directory of messages at this place."""

    code = 2615
    advice = "Check the path, and that the medium is mounted."


class LineInvalid(VaultError, ValueError):
    """The line is not one in which VaultFS has shown an event or a checkpoint."""

    code = 2640
    advice = "Look at what has kept the line: it was cut, changed or made by a later version. Export the log again."
