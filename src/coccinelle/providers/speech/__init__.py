"""Speech: the voices that an agent may have, with previews.

There is none offline: without a provider (`None`) an agent has one of the two voices of `default`.
"""
