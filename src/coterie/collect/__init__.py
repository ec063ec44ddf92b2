"""The door in: a shop's files become canonical facts, and every source row has exactly one fate.

Here live the mapping (what a file means), the sources (how it is read), the contract (what a row must satisfy), the
identifiers (how they are normalised), the intake (what happens in which order) and the quality report. Who is whom is
``profiles``; whether something may be used is ``govern``; where bytes lie is ``store``.
"""
