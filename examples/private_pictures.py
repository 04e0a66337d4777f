"""Can a picture keep a recogniser from its owner, and look the same to people? MND beside other attacks, on real faces.

    uv run python examples/private_pictures.py --root att_faces.zip

The root, a folder or a zip archive, holds a folder of pictures for each person, all of one size: the AT&T Database of Faces as it is
shipped, or your own. The first half of each person's pictures is the gallery that a small network learns from; a picture of the
other half is recognised where its feature is nearest, by the cosine, to a gallery picture of the same person. Some of those that are
(`--each` of `--people` people) are then changed until their features are `--leave` away from where they were: by `mnd`, and by others
at the smallest radius at which they get so far.

Prints who is still recognised, by that network and by a second one of another architecture that no attack has seen, and
what the changes show; `--out` takes the pictures, `--json` the figures.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from _photographs import CHANNELS, OTHER_CHANNELS, Photos, read_photos, trained
from _private import Network, add_options, carry_out, compared, contenders, context_of, keep, table
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from crossattack.datasets._files import opened
from crossattack.datasets._pictures import is_picture
from crossattack.datasets.faces import person_of
from crossattack.encoding import encode_images
from crossattack.endpoint import Similarity
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.streams import Streams


def load(root: Path, most: int) -> tuple[Photos, Photos]:
    """The gallery, and the pictures to keep private; at most so many of a person in either."""
    with opened(root) as files:
        names: dict[str, list[str]] = {}
        for name in files.names:
            if is_picture(name) and (person := person_of(name)):
                names.setdefault(person, []).append(name)
        known, private = [], []
        for some in names.values():
            half = -(-len(some[: 2 * most]) // 2)
            known.append(some[:half])
            private.append(some[half : 2 * most])
        if len(known) < 2 or not any(private):
            raise DataError(f"a folder of two pictures or more for each of two people or more wanted in {root}, {len(known)} folders got.")
        gallery, asked = read_photos(files, known), read_photos(files, private)
    if gallery.images.shape[1:] != asked.images.shape[1:]:
        raise DataError(f"pictures of one size wanted in {root}, several sizes got; resize them.")
    return gallery, asked


def recogniser(gallery: Photos, epochs: int, seed: int, progress: Progress, channels: Sequence[int]) -> Network:
    """A network that was trained to tell the people of the gallery apart, without its last layer: its features."""
    return Network(trained(gallery, int(gallery.labels.max()) + 1, epochs, seed, progress, channels)[:-1])


def recognised(network: Network, gallery: Photos, labels: Tensor, pictures: Tensor) -> Tensor:
    """Whether the nearest gallery picture of each is the same person's."""
    known, asked = (normalize(encode_images(network, images)) for images in (gallery.images, pictures))
    return gallery.labels[(asked @ known.T).argmax(1)] == labels


def sample(knows: Tensor, labels: Tensor, people: int, each: int, seed: int) -> Tensor:
    """Rows of `each` recognised pictures of so many people, the people in random order; of fewer where there are no more."""
    generator, rows = Streams(seed).torch("private", "people"), list[Tensor]()
    everybody = labels.unique()
    for person in everybody[torch.randperm(len(everybody), generator=generator)]:
        found = torch.nonzero(knows & (labels == person)).flatten()[:each]
        if len(found) and len(rows) < people:
            rows.append(found)
    if not rows:
        raise DataError("a picture that is recognised wanted, none got; train for more `--epochs`.")
    return torch.cat(rows)


def run(asked: argparse.Namespace, progress: Progress) -> None:
    """The whole example."""
    gallery, private = load(asked.root, asked.most)
    first = recogniser(gallery, asked.epochs, asked.seed, progress, CHANNELS)
    networks = {"the recogniser": first, "another": recogniser(gallery, asked.epochs, asked.seed + 1, progress, OTHER_CHANNELS)}
    clean = {who: recognised(network, gallery, private.labels, private.images) for who, network in networks.items()}
    chosen = private.take(rows := sample(clean["the recogniser"], private.labels, asked.people, asked.each, asked.seed))
    before = encode_images(first, chosen.images)
    context = context_of(first, Similarity.COSINE, chosen, before.shape[1], int(gallery.labels.max()) + 1, asked.seed)
    options = f"--people {asked.people} --each {asked.each} --leave {asked.leave:g} --epochs {asked.epochs}"
    found = {
        "command": f"uv run python examples/private_pictures.py --root {asked.root.name} --json docs/results/mnd-tasks.json {options}",
        "gallery": len(gallery.labels),
        "size": list(private.images.shape[2:]),
        "people": len(chosen.labels.unique()),
        "rank_1": {who: float(knows.double().mean()) for who, knows in clean.items()},
        "rank_1_of_the_chosen": {who: float(knows[rows].double().mean()) for who, knows in clean.items()},
    }
    print(f"{found['rank_1']['the recogniser']:.0%} of {len(private.labels)} pictures are recognised; {len(rows)} of those are changed.")
    found |= compared(
        contenders(asked.leave, asked.eps / 255, asked.steps),
        context,
        chosen,
        lambda changed: 1 - cosine_similarity(encode_images(first, changed), before) >= asked.leave - 1e-6,
        {who: partial(recognised, network, gallery, chosen.labels) for who, network in networks.items()},
        progress,
        asked.out,
    )
    print(table(found), end="")
    if asked.json:
        keep(asked.json, "faces", found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, recognise, change, recognise again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folders of pictures, one for each person, or a zip of them")
    parser.add_argument("--people", type=int, default=20, help="whose pictures are changed")
    parser.add_argument("--each", type=int, default=2, help="pictures of each of them")
    parser.add_argument("--most", type=int, default=200, help="pictures of a person in the gallery, and outside of it, at most")
    add_options(parser, leave=0.5, meaning="1 less the cosine between the features before and after", epochs=60)
    carry_out(parser, run, arguments)


if __name__ == "__main__":
    main()
