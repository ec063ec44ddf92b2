"""Segments through time: who moved, what changed its meaning, who keeps which name, and when to look again.

One model at two moments is migration; two models at one moment are a re-definition. They are never mixed.
"""
