"""Phone numbers: as people write them, as they are kept (E.164), and whose they are.

That a number was declared, that it is verified and that a line answers on it are three facts.
"""
