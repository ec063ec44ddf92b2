"""Who is who: which subjects (identifiers) are one person, since when the shop has known it, and what it knows of one.

``resolution`` keeps the edges between subjects and derives from them the table ``person_of``, a pure function that
merging and undoing change alone; ``profile`` sums up one person for people to read. Identifiers in the clear are the
vault's, and whether a person may be used for something is the gate's.
"""
