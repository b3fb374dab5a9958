"""How well it answers, in figures: an owner's own questions are measured like the public sets.

`retrieval` reads a folder of documents, questions and judgements, indexes it with the code that
serves, and measures each stage of search; `metrics` has the formulas.
"""
