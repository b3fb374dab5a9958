"""People: they sign up, log in, invite each other, and have a role in each business they work for.

A person is one row with one e-mail address and one password. What she may do for a business is a
membership; each log-in is a session of one membership, and ends with it.
"""
