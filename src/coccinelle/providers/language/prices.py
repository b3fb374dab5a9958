"""What tokens cost when the provider does not say: a table in micro-euros per million tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

EUR_PER_USD = 0.92
CHARACTERS_PER_TOKEN = 3.0


@dataclass(frozen=True)
class Price:
    """Micro-euros per million tokens, read and written."""

    prompt_microeur: int
    completion_microeur: int

    def of(self, prompt_tokens: int, completion_tokens: int) -> int:
        """The cost in micro-euros, rounded up."""
        total = prompt_tokens * self.prompt_microeur
        total += completion_tokens * self.completion_microeur
        return math.ceil(total / 1_000_000)


# US dollars per million tokens, read and written, as their makers publish them; configuration
# overrides them.
LIST_PRICES: Mapping[str, tuple[float, float]] = {
    "openai/gpt-4o": (2.50, 10.00),
    "openai/gpt-4o-mini": (0.15, 0.60),
    "openai/gpt-4.1": (2.00, 8.00),
    "openai/gpt-4.1-mini": (0.40, 1.60),
    "openai/gpt-4.1-nano": (0.10, 0.40),
    "openai/gpt-5": (1.25, 10.00),
    "openai/gpt-5-mini": (0.25, 2.00),
    "openai/gpt-5-nano": (0.05, 0.40),
    "anthropic/claude-haiku-4.5": (1.00, 5.00),
    "anthropic/claude-sonnet-4.5": (3.00, 15.00),
    "google/gemini-2.5-flash": (0.30, 2.50),
    "google/gemini-2.5-flash-lite": (0.10, 0.40),
    "google/gemini-2.5-pro": (1.25, 10.00),
    "mistralai/mistral-small-3.2-24b-instruct": (0.10, 0.30),
    "mistralai/mistral-medium-3.1": (0.40, 2.00),
    "mistralai/mistral-large": (2.00, 6.00),
    "meta-llama/llama-3.3-70b-instruct": (0.13, 0.40),
    "deepseek/deepseek-chat": (0.30, 1.20),
}

# An unknown model is charged like a dear one, so that a budget ends a call too early, not too late.
UNKNOWN = (3.00, 15.00)


class PriceTable:
    """Prices by model: the configured ones first, then the list.

    Args:
        eur_per_usd: turns the list's dollars into euros.
    """

    def __init__(
        self, overrides: Mapping[str, Price] | None = None, *, eur_per_usd: float = EUR_PER_USD
    ) -> None:
        listed = {name: _price(usd, eur_per_usd) for name, usd in LIST_PRICES.items()}
        prices = {**listed, **(overrides or {})}
        by_short_name = {name.rpartition("/")[2]: price for name, price in prices.items()}
        self._prices = {**by_short_name, **prices}
        self._unknown = _price(UNKNOWN, eur_per_usd)

    def find(self, model: str) -> tuple[Price, bool]:
        """The model's price, and whether it is known; a variant (`:nitro`) costs as its model."""
        base = model.partition(":")[0]
        if model.endswith(":free"):
            return Price(0, 0), True
        for name in (model, base, base.rpartition("/")[2]):
            if name in self._prices:
                return self._prices[name], True
        return self._unknown, False


def _price(usd: tuple[float, float], eur_per_usd: float) -> Price:
    prompt, completion = (round(amount * eur_per_usd * 1_000_000) for amount in usd)
    return Price(prompt, completion)


def estimate_tokens(characters: int) -> int:
    """Tokens of that many characters, on the high side: French has three to four in one."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
