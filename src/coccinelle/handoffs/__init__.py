"""Customers who want a person: asked for once, mailed to the business, claimed, answered, closed.

One hand-off of a conversation is open at a time. The assistant goes on answering until a person
claims it, is silent while they hold it, and answers again when it is closed.
"""
