"""The AI personas of a tenant, and their immutable published versions."""
