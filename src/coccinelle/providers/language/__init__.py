"""Language models: a port of two methods, `stream` and `complete`.

`OpenAICompatible` speaks to any OpenAI-compatible endpoint, `Guarded` puts a breaker in front of a
model, `Failover` makes one model of several, `ask` gets a validated object out of one.
"""
