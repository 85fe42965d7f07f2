"""Text of others, such as names of files and people, made fit to be shown.

A control character moves a terminal's cursor, a bidirectional one turns a line round, a surrogate
(a byte of a file name that is not UTF-8) can not be printed at all.
"""

from __future__ import annotations

import unicodedata

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, formats, surrogates, separators of lines
JOINERS = "\u200c\u200d"  # belong to the spelling of names, and move nothing
NOT_UTF8 = range(0xDC80, 0xDD00)  # what Python makes of the bytes 0x80 to 0xff in a file name


class _Shown(dict[int, str]):
    """What stands for each character, by its number; found out at its first use."""

    def __missing__(self, number: int) -> str:
        letter = chr(number)
        if letter in JOINERS or unicodedata.category(letter) not in UNSEEN:
            shown = letter
        elif number in NOT_UTF8:
            shown = f"\\x{number - 0xDC00:02x}"
        else:
            shown = letter.encode("unicode_escape").decode()
        self[number] = shown
        return shown


class _JsonShown(_Shown):
    """The same in the way of JSON, from which every character is read back."""

    def __missing__(self, number: int) -> str:
        shown = super().__missing__(number)
        if shown != chr(number):
            units = chr(number).encode("utf-16-be", "surrogatepass").hex()
            shown = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
            self[number] = shown
        return shown


_shown, _json_shown = _Shown(), _JsonShown({ord("\n"): "\n"})


def visible(text: str) -> str:
    r"""``text`` on one line, with ``\x1b`` where an escape character was."""
    return text.translate(_shown)


def visible_json(text: str) -> str:
    """JSON ``text`` of the same content, without such characters; its lines stay."""
    return text.translate(_json_shown)
