"""Names of people and households: how one is kept, when two are the same, which are refused.

A name is kept in Unicode's composed form (NFC), without blanks around it and with single blanks
inside. Two names are the same where their keys are: compatibility forms, case, accents written
in one or two code points and characters that nobody sees make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from spkid.errors import SpkidError

MAX_LENGTH = 80
# printable for Python and yet nothing to see: fillers, joiners and selectors of a glyph's form
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f]")
SCRIPTS_ALIKE = frozenset({"LATIN", "GREEK", "CYRILLIC"})  # they share the shapes of many letters
# words that our own answers and other programs' tables use for somebody who is nobody by name;
# not "nan", which is what many call their grandmother
RESERVED = frozenset(
    {"all", "ambiguous", "anybody", "doubtful", "everybody", "guest", "guests", "known", "n/a"}
    | {"no_speech", "nobody", "none", "null", "poor_audio", "stranger", "strangers"}
    | {"too_short", "unknown"}
)


def name_key(name: str) -> str:
    """What tells names apart: equal for look-alikes.

    Unicode's compatibility caseless matching (The Unicode Standard, definition D146), without
    what nobody sees and with single blanks.
    """
    key = unicodedata.normalize("NFD", name)
    for _ in range(2):
        key = unicodedata.normalize("NFKD", key.casefold())
    return " ".join(_UNSEEN.sub("", key).split())


def is_reserved(name: str) -> bool:
    """Whether our answers or others' tables use this word for nobody in particular."""
    return re.sub(r"[\s_-]+", "_", name_key(name)).strip("<>()_") in RESERVED


def _mixes_scripts(word: str) -> bool:
    """Whether letters stand in it that look like each other's, as in a forged name.

    Unicode Technical Standard 39, section 5.2, lets no word mix these scripts.
    """
    letters = unicodedata.normalize("NFKD", word)
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in letters}
    return len(scripts & SCRIPTS_ALIKE) > 1


def tidy_name(name: str) -> str:
    """``name`` as it is kept.

    Raises
    ------
    SpkidError
        If nothing is left of it, it is longer than 80 characters, or holds characters that
        cannot be seen.
    """
    folded = " ".join(re.split(r"[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+", name.strip()))
    tidy = unicodedata.normalize("NFC", folded)
    if not tidy.isprintable() or not name_key(tidy) or len(tidy) > MAX_LENGTH:
        raise SpkidError(
            f"the name {name[:MAX_LENGTH]!r}",
            expected=f"1 to {MAX_LENGTH} characters that can be seen",
            do="choose another name",
            code="bad_name",
        )
    return tidy


def new_name(name: str) -> str:
    """``name`` as it is kept, where somebody or a household is to have it from now on.

    Raises
    ------
    SpkidError
        As :func:`tidy_name`, or if it is a reserved word or mixes scripts in one word.
    """
    tidy = tidy_name(name)
    if any(map(_mixes_scripts, tidy.split())):
        raise SpkidError(
            f"the name {tidy!r}, which mixes Latin, Greek or Cyrillic letters in one word",
            expected="words of one script each",
            do="write it anew in one script",
            code="bad_name",
        )
    if is_reserved(tidy):
        raise SpkidError(
            f"the name {tidy!r}, which answers and tables use for nobody in particular",
            expected="a name of a person or a home",
            do="choose another name",
            code="reserved_name",
        )
    return tidy


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that look alike, as a store from before schema 3 may have."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(name_key(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]
