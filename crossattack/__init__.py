"""How far can someone who only sends queries, and only so many, break a cross-modal hashing system that you own?

`crossattack.experiment` tells the whole story in one function.
"""
