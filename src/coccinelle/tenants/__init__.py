"""The businesses on this installation, and what proves that a request is for one of them.

A tenant is found by an API key, a public key, or a host name that the operator bound to it; never
by default.
"""
