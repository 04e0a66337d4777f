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

import numpy as np
import resvg_py
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from crossattack.errors import DataError
from crossattack.progress import Progress

PIXELS = 64
CHUNK = 64  # drawings handed to a process at a time
FEW = 500  # up to here a second process would take longer to start than to draw
OUTSIDE = re.compile(
    r"""\b(?:href|src)\s*=\s*(?!["']\#)|\burl\(\s*(?!["']?\#|&quot;\#)|@import|<!|<\?|<(?:\w+:)?(?:script|foreignObject|image)\b""", re.I
)


def draw_all(svgs: Sequence[str], progress: Progress) -> UInt8[ndarray, "items 3 64 64"]:
    """Every drawing as 64x64 RGB on white, in order."""
    chunks = [svgs[start : start + CHUNK] for start in range(0, len(svgs), CHUNK)]
    drawn = np.empty((len(svgs), 3, PIXELS, PIXELS), np.uint8)
    with progress.stage("drawing pictograms", total=len(svgs)) as tick:
        if len(svgs) <= FEW:
            drawn[:] = draw_chunk(svgs)
            tick(len(svgs), "")
            return drawn
        # spawn, because a fork of a process in which torch has threads may hang
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), leave_interrupts_to_parent) as pool:
            for number, pictures in enumerate(pool.map(draw_chunk, chunks)):
                drawn[number * CHUNK : number * CHUNK + len(pictures)] = pictures
                tick(len(pictures), "")
    return drawn


def draw_chunk(svgs: Sequence[str]) -> UInt8[ndarray, "items 3 64 64"]:
    """A few drawings, in this process."""
    return np.stack([draw(svg) for svg in svgs])


def draw(svg: str) -> UInt8[ndarray, "3 64 64"]:
    """One drawing as 64x64 RGB on white."""
    if outside := OUTSIDE.search(svg):
        raise DataError(f"a drawing that stands alone wanted, one with {svg[outside.start() :][:40]!r} got; it is not drawn.")
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=PIXELS, height=PIXELS, background="white", dpi=96, skip_system_fonts=True)
    except ValueError as error:
        raise DataError(f"an SVG wanted, {svg[:40]!r}... got, which resvg cannot draw: {error}.") from error
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def leave_interrupts_to_parent() -> None:
    """Ctrl-C reaches every process of a terminal; one traceback fewer a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
