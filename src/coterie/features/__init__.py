"""What is known about a person at a moment: features, declared once.

A feature is a definition (``feature``), made of an aggregation (``aggregation``), a window and a rule (``rule``);
an outcome is a feature of the future (``outcome``). ``batch`` turns definitions and a spine of (person, moment) into
one SQL statement. ``catalog`` holds the definitions that every shop gets, theme by theme in ``standard``;
``definitions`` reads those that a shop adds; ``availability`` says which of them it has the facts for. ``matrix``
scales a table of features for methods that take distances; ``published`` keeps what other rooms publish as dated,
versioned features, and snapshots of whole tables. Models, segments and the facts themselves do not live here.
"""
