"""The contest of forecasts: naive rules, models and learners from the same origins in the past, judged by what came.

Contenders see what was known at an origin and nothing else; the backtest keeps what happened after it.
"""
