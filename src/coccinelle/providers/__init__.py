"""The outside world: language models, embeddings, reranking and mail.

Each is a port of one to three methods with its implementations beside it. Resilience (breaker,
failover, cache) is another object of the same shape. All configuration arrives as constructor
arguments; nothing here reads a setting or the environment's secrets.
"""
