"""Figures: pure functions from plain numbers and words to SVG markup, and the one place where numbers become words.

A figure takes its colours from CSS variables, so that it follows the page between light and dark;
``drawing.standalone`` turns it into a file of its own. Nothing here knows what a customer or a segment is, reads a
store or computes a statistic: figures draw what they are given.
"""
