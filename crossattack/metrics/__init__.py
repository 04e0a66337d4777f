"""Metrics: how well a ranking serves, how much a picture was changed, how sure a number is."""
