"""Customers who want a person: a row opened once, a mail to the business, a person who closes it.

One hand-off of a conversation is open at a time. The assistant goes on answering meanwhile.
"""
