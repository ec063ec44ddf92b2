"""Whether segments are real: do they come back in resampled data, and tell apart a future they did not see.

The report card stands here, with the methods of others beside the model on the same people and resamples.
"""
