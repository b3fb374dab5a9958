"""One turn, for every channel: admit, route, retrieve, generate, record.

A channel gives an `Inbound` and gets `TurnEvent`s back; the engine knows no wire.
"""
