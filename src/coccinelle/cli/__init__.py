"""The command line: for operators and owners at a terminal, and for scripts.

A command speaks French, or English where LANG does; what it prints is readable on a pipe too. It
exits 0 when done, 1 when something failed, 2 when it was asked wrongly or cannot run here.
"""
