"""SSIM, compiled. Imported only where numba is installed and there are many pictures.

A line of a plane at a time: the window runs down the columns, then along the line, of both pictures, of the sum of their squares and of
their product; what it says of the line is added up, and nothing of the size of all pictures is ever written.
"""

from typing import Any

import numpy as np

from crossattack.metrics._compiled import compiled


@compiled
def similarities(clean: Any, changed: Any, window: Any, k1: float, k2: float, found: Any) -> None:
    """Mean SSIM of each pair of planes, uint8, (planes, height, width), into found, (planes,)."""
    planes, height, width = clean.shape
    size = len(window)
    half, lines, places = size // 2, height - size + 1, width - size + 1
    c1, c2 = (k1 * 255) ** 2, (k2 * 255) ** 2
    sums = np.empty((4, size, width))  # of x, y, x^2 + y^2 and x y: as many lines as the window is high, which stay in the cache
    down, along, totals = np.empty(width), np.empty((4, places)), np.empty(places)
    for plane in range(planes):
        totals[:] = 0.0
        for bottom in range(height):
            x, y, here = clean[plane, bottom], changed[plane, bottom], bottom % size
            for column in range(width):
                a, b = float(x[column]), float(y[column])
                sums[0, here, column] = a
                sums[1, here, column] = b
                sums[2, here, column] = a * a + b * b
                sums[3, here, column] = a * b
            top = bottom - size + 1
            if top < 0:
                continue
            for row in range(4):
                source, along_row = sums[row], along[row]
                weight, middle = window[half], source[(top + half) % size]
                for column in range(width):
                    down[column] = weight * middle[column]
                for step in range(half):  # the window is the same from both ends
                    weight, above, below = window[step], source[(top + step) % size], source[(bottom - step) % size]
                    for column in range(width):
                        down[column] += weight * (above[column] + below[column])
                weight = window[half]
                for place in range(places):
                    along_row[place] = weight * down[place + half]
                for step in range(half):
                    weight, left, right = window[step], down[step:], down[size - 1 - step :]
                    for place in range(places):
                        along_row[place] += weight * (left[place] + right[place])
            for place in range(places):
                mean_x, mean_y = along[0, place], along[1, place]
                product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
                alike = (2 * product + c1) * (2 * (along[3, place] - product) + c2)
                totals[place] += alike / ((squares + c1) * (along[2, place] - squares + c2))
        found[plane] = totals.sum() / (lines * places)
