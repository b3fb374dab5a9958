"""What a site states that can be checked: prices, hours, phone numbers, e-mail addresses.

Read by rules, in French and English, from the lines of its pages; no language model is asked.
"""
