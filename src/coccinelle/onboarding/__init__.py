"""From sign-up to a working assistant, step by step, each one transaction that writes final rows.

There is no draft and nothing is copied later: a step that was saved is what the running system
reads. `actions` are the steps, `hours` tells answers about opening hours, `funnel` tells operators.
"""
