"""How well a network finds: mAP of pictures that ask for texts, and of texts that ask for pictures."""

import numpy as np

from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.encoding import Encoder, encode
from crossattack.endpoint import Similarity
from crossattack.metrics.features import average_precision, places_of
from crossattack.metrics.ranking import mean_average_precision, share_a_label


def both_ways(encoder: Encoder, similarity: Similarity, asking: Pairs, stored: Pairs, device: str) -> dict[str, float]:
    """mAP@all by direction: in expectation over the orders of ties for codes, by cosine for features.

    0 where nothing is relevant to anything.
    """
    images, texts = (encode(encoder, "images", asking.images, device=device), encode(encoder, "texts", asking.texts, device=device))
    if stored is asking:
        stored_images, stored_texts = images, texts
    else:
        stored_images = encode(encoder, "images", stored.images, device=device)
        stored_texts = encode(encoder, "texts", stored.texts, device=device)
    relevant = share_a_label(asking.labels, stored.labels)
    found = {}
    for direction, asked, searched in (("image_to_text", images, stored_texts), ("text_to_image", texts, stored_images)):
        if similarity is Similarity.HAMMING:
            found[direction] = mean_average_precision(harden(asked), harden(searched), relevant).value or 0.0
        else:
            scores = average_precision(places_of(asked, searched, relevant, None, "cosine"))
            found[direction] = float(np.nanmean(scores)) if np.isfinite(scores).any() else 0.0
    return found
