"""What ran, and which models there are: the records that make a shop's work repeatable.

Runs (one row a verb), and the registry of models (a row each, its file in the archive, checked against its hash before
it is parsed). Training itself lives with the models; nothing here knows what a segment is.
"""
