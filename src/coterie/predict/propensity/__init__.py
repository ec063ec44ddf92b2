"""Learners: what people will do, learnt by boosted trees from what others did, calibrated, with reasons in words.

Which of many items a person takes is learnt by a conditional logit (``choice``). Targets say what is asked and which
naive rule is to be beaten; the contract of predictors stands in ``checks``.
"""
