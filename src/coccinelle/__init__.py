"""Coccinelle: an AI assistant for a small business's customers, self-hosted."""

__version__ = "0.1.0"
