"""Sweeps: a grid of runs, carried out by workers, on a record that nothing loses.

    grid        a YAML file -> cells, each a valid run with a digest of its own
    table       the durable record: one row a cell, written by the driver alone
    driver      hands cells to an engine, writes down what became of them
    engines/    who does the work: processes of this machine, or Ray
    outcome     sweep.json, and what a cell's results.json says in short

`docs/sweeps.md` tells how to write, run, resume and read one.
"""
