"""Figures of a business over whole days where it is: volume, outcomes, times, cost, hand-offs.

They are read from the rows that turns, hand-offs and thumbs have left, and kept nowhere else.
"""
