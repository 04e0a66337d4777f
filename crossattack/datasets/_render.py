"""SVG -> pixels, on all cores, from nothing but the drawing itself.

resvg draws without a browser, without fonts and without the network. A drawing that points outside itself is refused
before it gets there: the only references it may hold are `#fragments`.
"""

import io
import multiprocessing
import os
import re
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import resvg_py
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from crossattack.errors import DataError
from crossattack.progress import Progress

CHUNK = 64  # drawings handed to a process at a time
FEW = 500  # up to here a second process would take longer to start than to draw
OUTSIDE = re.compile(
    r"""\b(?:href|src)\s*=\s*(?!["']\#)|\burl\(\s*(?!["']?\#|&quot;\#)|@import|<!|<\?|<(?:\w+:)?(?:script|foreignObject|image)\b""", re.I
)


def draw_all(svgs: Sequence[str], progress: Progress, what: str, pixels: int = 64) -> UInt8[ndarray, "items 3 height width"]:
    """Every drawing as RGB on white, `pixels` high and wide, in order. what: what they are, for the progress."""
    chunks = [svgs[start : start + CHUNK] for start in range(0, len(svgs), CHUNK)]
    drawn = np.empty((len(svgs), 3, pixels, pixels), np.uint8)
    with progress.stage(f"drawing {what}", total=len(svgs)) as tick:
        if len(svgs) <= FEW:
            drawn[:] = draw_chunk(svgs, pixels)
            tick(len(svgs), "")
            return drawn
        # spawn, because a fork of a process in which torch has threads may hang
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), leave_interrupts_to_parent) as pool:
            for number, pictures in enumerate(pool.map(partial(draw_chunk, pixels=pixels), chunks)):
                drawn[number * CHUNK : number * CHUNK + len(pictures)] = pictures
                tick(len(pictures), "")
    return drawn


def draw_chunk(svgs: Sequence[str], pixels: int) -> UInt8[ndarray, "items 3 height width"]:
    """A few drawings, in this process."""
    return np.stack([draw(svg, pixels) for svg in svgs])


def draw(svg: str, pixels: int = 64) -> UInt8[ndarray, "3 height width"]:
    """One drawing as RGB on white."""
    if outside := OUTSIDE.search(svg):
        raise DataError(f"a drawing that stands alone wanted, one with {svg[outside.start() :][:40]!r} got; it is not drawn.")
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=pixels, height=pixels, background="white", dpi=96, skip_system_fonts=True)
    except ValueError as error:
        raise DataError(f"an SVG wanted, {svg[:40]!r}... got, which resvg cannot draw: {error}.") from error
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def leave_interrupts_to_parent() -> None:
    """Ctrl-C reaches every process of a terminal; one traceback fewer a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
