"""What the environment may ask for, and how a refusal is said."""

from __future__ import annotations

import pytest

from coccinelle.foundation.settings import (
    DEFAULT_ANSWER_MODELS,
    DEFAULT_ROUTING_MODELS,
    SettingsError,
    load,
)

MODELS = {
    "COCCINELLE_LLM_ANSWER_MODELS": "one, two",
    "COCCINELLE_LLM_ROUTING_MODELS": "small",
}
LOCAL = "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize("name", MODELS)
def test_models_of_openrouter_without_a_key_are_refused_with_what_to_set(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} needs a key: set OPENROUTER_API_KEY, or"):
        load({name: MODELS[name]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENROUTER_API_KEY", "sk-or"),
        ("COCCINELLE_LLM_API_KEY", "sk"),
        ("COCCINELLE_LLM_BASE_URL", LOCAL),
    ],
)
def test_a_key_or_an_endpoint_of_ones_own_lets_models_be_named(name: str, value: str) -> None:
    settings = load({**MODELS, name: value})

    assert settings.has_language_models
    assert settings.answer_models == ("one", "two")
    assert settings.routing_models == ("small",)


def test_openrouter_s_key_alone_brings_our_models_and_nothing_brings_none() -> None:
    with_key = load({"OPENROUTER_API_KEY": "sk-or"})
    without = load({})

    assert with_key.answer_models == DEFAULT_ANSWER_MODELS
    assert with_key.routing_models == DEFAULT_ROUTING_MODELS
    assert (without.answer_models, without.routing_models) == ((), ())
    assert not without.has_language_models


def test_prices_are_read_from_json() -> None:
    settings = load({"COCCINELLE_LLM_PRICES": '{"one": [150000, 0]}'})

    assert settings.llm_prices == {"one": (150000, 0)}


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ("one=3", r'^COCCINELLE_LLM_PRICES: This is not JSON, such as \{"model": \[150000, 600000'),
        ('{"one": [-1, 5]}', r"^COCCINELLE_LLM_PRICES\.one\.0: .* greater than or equal to 0$"),
        ('{"one": [1, -5]}', r"^COCCINELLE_LLM_PRICES\.one\.1: .* greater than or equal to 0$"),
        ('{"one": [1]}', r"^COCCINELLE_LLM_PRICES\.one\.1: Field required$"),
        ("[]", r"^COCCINELLE_LLM_PRICES: .* dictionary$"),
    ],
)
def test_prices_that_cannot_be_are_refused_in_a_clear_sentence(prices: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load({"COCCINELLE_LLM_PRICES": prices})


def test_a_refusal_names_the_setting_and_never_its_value() -> None:
    with pytest.raises(SettingsError) as unknown:
        load({"COCCINELLE_LLM_KEYS": "sk-secret"})
    with pytest.raises(SettingsError) as out_of_bounds:
        load({"COCCINELLE_PASSAGES": "4711"})

    assert "COCCINELLE_LLM_KEYS" in str(unknown.value)
    assert "sk-secret" not in str(unknown.value)
    assert str(out_of_bounds.value).startswith("COCCINELLE_PASSAGES: ")
    assert "4711" not in str(out_of_bounds.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ISSUER": "https://a.example"}, "OIDC_ISSUER needs COCCINELLE_OIDC_CLIENT_ID"),
        ({"CLIENT_ID": "a"}, "OIDC_CLIENT_ID needs COCCINELLE_OIDC_ISSUER"),
        ({"CLIENT_SECRET": "sk-secret"}, "OIDC_CLIENT_SECRET needs COCCINELLE_OIDC_ISSUER"),
        ({"ISSUER": "sso.example.com", "CLIENT_ID": "a"}, "OIDC_ISSUER: "),
        ({"ISSUER": "https://a@b.example", "CLIENT_ID": "a"}, "OIDC_ISSUER: "),
    ],
)
def test_half_an_issuer_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=f"^COCCINELLE_{said}") as refused:
        load({f"COCCINELLE_OIDC_{name}": value for name, value in given.items()})

    assert "sk-secret" not in str(refused.value)
