"""The contract of segmenters as named checks, for ours and for those that others write.

``check_segmenter`` tries an estimator on real people and on odd input, and names the law that it breaks.
"""
