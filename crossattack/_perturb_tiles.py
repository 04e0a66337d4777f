"""Large pictures in tiles: what a network needs then depends on the tile, not on the picture.

Each tile is seen with some pixels around it and normalised on its own, so the change of a large picture is not quite that of
the whole at once: it may differ on both sides of a seam, inside the same radius.
"""

from collections.abc import Callable

import torch

from crossattack.endpoint import Images

TILE, AROUND = 1024, 32  # pixels: the side of a tile, and what is seen beyond it on each side


def in_tiles(change: Callable[[Images], Images], picture: Images, tile: int = TILE, around: int = AROUND) -> Images:
    """The picture, (1, 3, height, width), changed as a whole where it is no larger than a tile with its surroundings."""
    height, width = picture.shape[2:]
    if max(height, width) <= tile + 2 * around:
        return change(picture)
    changed = torch.empty_like(picture)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(0, top - around), max(0, left - around)
            seen = change(picture[:, :, above : top + tile + around, before : left + tile + around])
            own = seen[:, :, top - above : top - above + tile, left - before : left - before + tile]
            changed[:, :, top : top + tile, left : left + tile] = own
    return changed
