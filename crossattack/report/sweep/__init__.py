"""The report of a sweep: what its cells found, laid out by what its grid varies. All of it is made of sweep.json alone.

merging     cells that differ in their seed alone -> one figure with an interval
layout      what varies -> a curve, a matrix or a list
curves      points along a number, and the area under them
matrix      one key against another, and what knowing the diagonal is worth
words, tables, drawing, figure, page    the same for readers, programs, browsers and papers
"""
