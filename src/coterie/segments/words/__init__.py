"""Segments in words: names, sentences, traits, typical people and notes, the same words for the same data.

What sets a segment apart is measured first; templates then say it in the shop's own units.
"""
