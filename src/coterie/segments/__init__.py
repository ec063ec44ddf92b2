"""Groups of people who behave alike: RFM, k-means and Ward, described in words, drawn on a map, judged.

Choosing people by rules lives in ``audiences``; predicting one person's future does not live here either.
"""
