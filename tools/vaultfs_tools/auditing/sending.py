"""Sending the log of a vault, or a spool of its messages, to a receiver."""

from __future__ import annotations

import argparse
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vaultfs_tools import cli

if TYPE_CHECKING:
    import vaultfs
    from vaultfs.audit.exporting.logged import Encoder
    from vaultfs.audit.exporting.sinks import Sink

FORMATS = ("syslog", "json", "fhir")
"""Forms in which messages are sent."""

_PORT = 6514
_DIGITS = re.compile("[0-9]{1,10}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `send`."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--to-directory", metavar="DIR", type=Path, help="write files of lines into a directory")
    group.add_argument("--syslog", metavar="HOST[:PORT]", type=_address, help="a receiver of RFC 5425, port 6514")
    _add_delivery(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], help="form of the messages; a receiver of syslog takes syslog"
    )
    parser.add_argument(
        "--enterprise",
        metavar="NUMBER",
        type=_number(1, (1 << 32) - 1),
        default=32473,
        help="your enterprise number (IANA)",
    )
    parser.add_argument(
        "--largest",
        metavar="BYTES",
        type=_number(1024, 65_536),
        default=8192,
        help="largest message, 1024 to 65536; default: 8192",
    )
    stated = parser.add_argument_group("with --format fhir", "what AuditEvents state and the log does not know")
    stated.add_argument("--application", metavar="NAME", help="what your application is known by")
    stated.add_argument("--address", metavar="HOST", help="name or IP address of its machine")
    stated.add_argument("--site", metavar="NAME", help="where that is, if there are several")
    parser.set_defaults(wrong=parser.error)


def add_drain_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `drain`."""
    parser.add_argument("spool", metavar="DIR", type=Path, help="the directory that `send --to-directory` writes")
    parser.add_argument("--syslog", metavar="HOST[:PORT]", type=_address, required=True, help="a receiver of RFC 5425")
    _add_delivery(parser)
    parser.add_argument(
        "--remove",
        action="store_true",
        help="remove files that were sent, but for the newest; only where one drains them",
    )


def _add_delivery(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="name of this delivery, by which its cursor is kept")
    parser.add_argument("--cursors", metavar="DIR", type=Path, required=True, help="directory of the cursors")
    parser.add_argument(
        "--batch", metavar="NUMBER", type=_number(1, 1_000_000), default=1000, help="sent at once; default: 1000"
    )
    group = parser.add_argument_group("with --syslog")
    group.add_argument("--ca", metavar="FILE", type=Path, help="certificates of who vouches for the receiver (PEM)")
    group.add_argument("--cert", metavar="FILE", type=Path, help="your certificate, for mutual TLS (PEM)")
    group.add_argument("--cert-key", metavar="FILE", type=Path, help="its private key, in clear (PEM)")
    group.add_argument("--server-name", metavar="NAME", default="", help="name in its certificate; default: HOST")
    group.add_argument(
        "--unanswered", action="store_true", help="the receiver only ends connections, as rsyslog with GnuTLS does"
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_number(1, 86_400),
        help="for the receiver to connect, to take a batch, and to close; default: 10, 60 and 30",
    )


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a number from {least} to {most}")
        return int(text)

    return number


def _address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST[:PORT]``; an IPv6 address stands in brackets where a port follows."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", str(_PORT))
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise argparse.ArgumentTypeError("HOST or HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def run(args: argparse.Namespace, opened: Callable[[argparse.Namespace], vaultfs.Vault]) -> int:
    """Send what the log has that was not sent yet."""
    from vaultfs.audit.exporting.delivering import Delivery

    if args.format != "syslog" and args.syslog is not None:
        args.wrong(f"--format {args.format} goes with --to-directory: a receiver of syslog takes syslog")
    if args.format == "fhir" and None in {args.application, args.address}:
        args.wrong("--format fhir goes with --application and --address")
    encoder, sink = _encoder(args), _sink(args)
    with opened(args) as vault:
        done = Delivery(vault, args.name, encoder, sink, args.cursors, batch=args.batch).run()
    facts = {"events": done.events, "size": done.size}
    cli.emit(args, facts, [f"{done.events:,} events sent; {done.size:,} leaves of the log are delivered"])
    return cli.Exit.DONE


def _encoder(args: argparse.Namespace) -> Encoder:
    from vaultfs.audit.exporting.auditevent import AuditEvents, Deployment
    from vaultfs.audit.exporting.jsonlines import JsonLines
    from vaultfs.audit.exporting.syslog import Syslog

    match args.format:
        case "json":
            return JsonLines()
        case "fhir":
            return AuditEvents(Deployment(args.application, args.address, args.site))
        case _:
            return Syslog(host=socket.gethostname() or "-", enterprise=args.enterprise, limit=args.largest)


def run_drain(args: argparse.Namespace) -> int:
    """Send what a spool has that was not sent yet."""
    from vaultfs.audit.exporting.spool import drain

    sent = drain(args.spool, args.name, _sink(args), args.cursors, batch=args.batch, remove=args.remove)
    cli.emit(args, {"lines": sent}, [f"{sent:,} lines sent"])
    return cli.Exit.DONE


def _sink(args: argparse.Namespace) -> Sink:
    from vaultfs.audit.exporting.errors import CredentialsUnusable
    from vaultfs.audit.exporting.spool import FileSink
    from vaultfs.audit.exporting.tls import Credentials, Patience, SyslogSink

    if args.syslog is None:
        return FileSink(args.to_directory)
    if args.ca is None:
        raise CredentialsUnusable
    credentials = Credentials(args.ca, args.cert, args.cert_key, args.server_name)
    host, port = args.syslog
    patience = Patience() if args.timeout is None else Patience(args.timeout, args.timeout, args.timeout)
    return SyslogSink(host, credentials, port, patience, answers=not args.unanswered)
