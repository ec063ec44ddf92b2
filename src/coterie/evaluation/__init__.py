"""How good something is, and how sure we are: splits by time, metrics, bootstrap intervals and paired comparisons.

Everything takes plain arrays; no room's estimators are known here.
"""
