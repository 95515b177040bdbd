"""The grammar of RFC 5424 section 6, rule by rule, written from its ABNF and used by the tests alone."""

from __future__ import annotations

import re

_PRINT = r"[\x21-\x7e]"
_SD_NAME = r"[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}"
_NIL = "-"

PRIVAL = "(?:[0-9]|[1-9][0-9]|1[0-8][0-9]|19[01])"
VERSION = "[1-9][0-9]{0,2}"
FULL_DATE = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
PARTIAL_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"
OFFSET = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
TIMESTAMP = f"(?:{_NIL}|{FULL_DATE}T{PARTIAL_TIME}{OFFSET})"
HEADER = f"<{PRIVAL}>{VERSION} {TIMESTAMP} {_PRINT}{{1,255}} {_PRINT}{{1,48}} {_PRINT}{{1,128}} {_PRINT}{{1,32}}"
PARAM_VALUE = '(?:[^"\\\\\\]]|\\\\["\\\\\\]])*'
SD_PARAM = f'{_SD_NAME}="{PARAM_VALUE}"'
SD_ELEMENT = f"\\[{_SD_NAME}(?: {SD_PARAM})*\\]"
STRUCTURED_DATA = f"(?:{_NIL}|(?:{SD_ELEMENT})+)"
MSG = "(?: .*)?"
SYSLOG_MSG = re.compile(f"{HEADER} {STRUCTURED_DATA}{MSG}", re.DOTALL)


def follows(message: bytes) -> bool:
    """Return whether a message follows the grammar; what stands in quotes is UTF-8."""
    return SYSLOG_MSG.fullmatch(message.decode()) is not None
