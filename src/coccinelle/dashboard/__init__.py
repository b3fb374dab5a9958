"""Pages for the people of a business: sign-up, log-in, home, settings, and those of onboarding.

`pages.py` is the ground that every group of pages stands on (layout, language, policy, errors, who
is signed in); each group is one module and its folder of templates. HTML lives nowhere else.
"""
