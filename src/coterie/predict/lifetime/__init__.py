"""Models of purchase histories: when customers who drop out unseen buy, what an order is worth, what a customer is.

BG/NBD and its kin, Pareto/NBD and Gamma-Gamma by maximum likelihood; lifetime value and the next order made of them.
"""
