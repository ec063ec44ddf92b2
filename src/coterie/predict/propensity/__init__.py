"""Learners: what people will do, learnt by boosted trees from what others did, calibrated, with reasons in words.

Targets say what is asked and which naive rule is to be beaten; the contract of predictors stands in ``checks``.
"""
