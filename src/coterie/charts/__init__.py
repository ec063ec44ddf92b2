"""Figures: pure functions from plain numbers and words to SVG markup, and the one place where numbers become words.

A figure takes its colours from CSS variables, so that it follows the page between light and dark;
``drawing.standalone`` turns it into a file of its own, ``raster.png`` into pixels, ``notebook.notebook`` into what a
notebook shows. Nothing here knows what a customer or a segment is, reads a store or computes a statistic: figures draw
what they are given.

This is the only plotting library here, and it is our own, for four reasons. The same result gives the same text, byte
for byte, so that a report can be compared with the one before. A figure inside a page changes with the page between
light and dark, wide and narrow, and can point out a segment in all figures at once, which pictures of pixels and
figures with colours of their own cannot. A page fetches nothing and needs no script to be read. And there is nothing to
install: libraries that draw for browsers bring megabytes of script, libraries that draw pixels bring their own look.
Only turning a figure into PNG asks for a renderer (resvg) and a font (Arimo).
"""
