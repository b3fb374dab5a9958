"""Whatever can go wrong has a sentence in French and in English."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

import coccinelle
from coccinelle.foundation import errors, i18n

SOURCE = Path(coccinelle.__file__).parent
BASES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.CoccinelleError)
}
# Never told: they end inside the program, or are replaced by a sentence for the customer.
INTERNAL = {"timeout", "unreachable", "disconnected"}


def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}


def error_classes(parsed: dict[Path, ast.Module]) -> set[str]:
    """Names of all classes that derive from ours, however far."""
    bases: dict[str, set[str]] = {}
    for tree in parsed.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                named = {base.id for base in node.bases if isinstance(base, ast.Name)}
                bases[node.name] = named
    found = set(BASES)
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


def raised_codes() -> dict[str, Path]:
    """Every code that appears in the source, and where."""
    parsed = trees()
    classes = error_classes(parsed)
    found: dict[str, Path] = {}
    for path, tree in parsed.items():
        for node in ast.walk(tree):
            for code in _codes(node, classes):
                found[code] = path
    return found


def _codes(node: ast.AST, classes: set[str]) -> list[str]:
    if isinstance(node, ast.Assign):
        targets = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if targets & {"default_code"}:
            return _literal(node.value)
    if isinstance(node, ast.keyword) and node.arg == "failure_code":
        return _literal(node.value)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in classes and node.args:
            return _literal(node.args[0])
        if name == "FieldError" and len(node.args) > 1:
            return _literal(node.args[1])
        if name == "PydanticCustomError" and node.args:
            return _literal(node.args[0])
    return []


def _literal(node: ast.expr) -> list[str]:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    return [str(node.value)] if is_text and isinstance(node, ast.Constant) else []


def test_every_code_that_is_raised_has_a_sentence() -> None:
    missing = {
        code: str(path.relative_to(SOURCE))
        for code, path in raised_codes().items()
        if code not in i18n.codes() and code not in INTERNAL
    }

    assert missing == {}


def test_codes_are_found_at_all() -> None:
    found = raised_codes()

    assert {"rate_limited", "message_id_reused", "slug_taken", "unstorable_characters"} <= set(
        found
    )
    assert len(found) > 40


@pytest.mark.parametrize("code", sorted(i18n.codes()))
def test_a_sentence_is_whole_in_both_languages(code: str) -> None:
    french, english = (i18n.sentence(code, locale) for locale in i18n.LOCALES)

    for sentence in (french, english):
        assert sentence == sentence.strip()
        assert sentence[0].isupper()
        assert sentence[-1] in ".…)"
    assert french != english


def test_both_languages_mention_the_same_values() -> None:
    for code in i18n.codes():
        french, english = (_fields(i18n.template(code, locale)) for locale in i18n.LOCALES)
        assert french == english, code


def test_a_sentence_that_nobody_wrote_is_that_of_an_internal_error() -> None:
    assert i18n.sentence("nobody_wrote_this", "fr") == i18n.sentence("internal", "fr")


def test_the_limit_is_told_in_the_words_of_the_contract() -> None:
    told = i18n.sentence("rate_limited", "fr")

    assert told == "Trop de messages. Attendez quelques instants."


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
