"""Customers, what they and a business say to each other, and the turns that answer them.

A turn is a durable state machine: accepted, answering, then answered, escalated, handed over,
interrupted or failed. It is written before anything is promised, and ended by a sweeper if its
process dies.
"""
