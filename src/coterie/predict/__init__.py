"""What each customer will do: orders to come, lifetime value, churn, next orders; with intervals, judged in the past.

Models of purchase histories (BG/NBD and its kin, Pareto/NBD, Gamma-Gamma) and learners on features answer the same
questions, and a rolling-origin backtest says which to believe. Groups of people live in ``segments``.
"""
