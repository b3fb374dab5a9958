"""The exam: an assistant is asked what customers are likely to ask, and its own content is read.

Questions come from the sector's pack, the business's content and a language model when there is
one. Each gets an answer, its source, its agent and a verdict. It is no customer's turn: no
conversation, message or customer is written.
"""
