"""Between a client's wire and a turn: each channel reads its own contract and writes it back.

The engine knows none of them. A client that hangs up is noticed, whatever it asked for, so that a
turn that nobody attends to ends.
"""
