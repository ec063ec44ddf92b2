"""Engines and adapters: where rows, identifiers and files are kept, behind the ports of ``ports.py``.

Nothing here knows what a customer is: tables are declared by the rooms that own them. Each port has an embedded adapter
(SQLite, Delta, files) and an in-memory one, and one contract suite that both pass.
"""
