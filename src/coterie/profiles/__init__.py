"""Who is who: which subjects (identifiers) are one person, since when the shop has known it, and what it knows of one.

``edges`` and ``decision`` are logs of what was seen together and of what people decided, ``rules`` guard against
joining too much, and ``resolution`` derives from the three the table ``person_of``, a pure function (``graph``,
``hubs``, ``guards`` and ``merging`` are its parts); ``identity`` is a shop's. ``path`` says why, ``preview`` what other
rules would do, and ``profile`` sums up one person for people to read. Identifiers in the clear are the vault's, and
whether a person may be used for something is the gate's.
"""
