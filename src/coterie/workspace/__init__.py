"""The composition root: opens a shop, wires stores, gate, features and models together, and offers the verbs.

Nothing is wired anywhere else, and nothing is computed here: a verb calls the rooms in the order in which data flows.
"""

from coterie.workspace.opening import open, restore
from coterie.workspace.shop import Workspace

__all__ = ["Workspace", "open", "restore"]
