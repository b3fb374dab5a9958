"""The words of a text, as PostgreSQL is given them: to index, and to ask for."""

from __future__ import annotations

import re

# Words of a question that say nothing of its subject and that PostgreSQL's French stop list lacks.
_ASKING = """
    alors ai ant aussi avez avoir avons bonjour bonsoir ça ceci cela celle celles celui cet
    cette ceux chez combien comme comment coucou donc dois doit doivent devons devez dont dire
    dites est être excusez faire fais faisons fait faites faudra faudrait faut hello jusque
    les leurs lequel laquelle lesquels lesquelles lorsque madame merci monsieur ni où peut
    peuvent peux plait plaît possible pourquoi pourrais pourrait pourriez pouvez pouvoir
    pouvons presque puis puisque quand quel quelle quelles quels quelque quelques quid quoi
    salut savoir selon si sinon svp stp tous tout toute toutes très va vais voici voilà
    voudrais voulez vouloir veut veux
"""
_ASKING_WORD = re.compile(
    r"(?<![\w])(?:" + "|".join(sorted(set(_ASKING.split()), key=len, reverse=True)) + r")(?![\w])",
    re.IGNORECASE,
)
_SLASH_OR_SIGN = re.compile(r"[/\\+=<>&|_#*]|[-\u2010-\u2015](?=\d)|(?<=\d)[-\u2010-\u2015]")
_APOSTROPHE = re.compile(r"[\u2018\u2019\u02bc`´]")
_E_MAIL = re.compile(r"\be-mail", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_DOTTED_NUMBER = re.compile(r"\d+(?:\.\d+){2,}")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})[ \u00a0\u202f](\d{3})(?![\d])(?! ?\d)")
_UNIT = re.compile(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")


def indexed(text: str) -> str:
    """`text` as it is given to `to_tsvector`, so that what people write alike is found alike.

    PostgreSQL's parser takes `homme/femme` for a file, `01.99.00.12.34` for a version and `-5` for
    a negative number; `12,50` and `12.50`, `1 500` and `1500` are one price,
    `9h30` and `9 h 30` one hour, `e-mail` and `email` one word.
    """
    text = _APOSTROPHE.sub("'", text.replace("\0", " "))
    text = _E_MAIL.sub("email", text)
    text = _DECIMAL_COMMA.sub(".", text)
    text = _SPACED_THOUSANDS.sub(r"\1\2", text)
    text = _DOTTED_NUMBER.sub(lambda match: match.group().replace(".", " "), text)
    return _UNIT.sub(" ", _SLASH_OR_SIGN.sub(" ", text))


def asked(question: str) -> str:
    """`question` as it is given to `to_tsvector`, without the words that only ask."""
    return _ASKING_WORD.sub(" ", indexed(question))
