"""Reranking: the best of the passages found, ordered anew by a provider.

There is none offline: without one (`None`) the fused order stands.
"""
