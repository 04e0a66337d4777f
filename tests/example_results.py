"""A run's results as DESIGN section 5 has them, with everything that a report must cope with."""

from typing import Any

CHECKS = (
    {"name": "inside eps", "ok": True, "detail": "all 500 pictures"},
    {"name": "interval of recovered", "ok": None, "detail": "no ceiling"},
    {"name": "ceiling below attacked", "ok": False, "detail": "<b>no ceiling</b> for texts & their pictures"},
)


def results(name: str = "dcmh-aach-pictograms-32bits-seed0") -> dict[str, Any]:
    """Figures of nobody's run; text_to_image has no ceiling and no interval."""
    measured = {
        "attacked_items": 500,
        "map": {"clean": 0.644, "noise": 0.631, "attacked": 0.197, "ceiling": 0.057, "floor": 0.101},
        "map_ci95": {"clean": [0.62, 0.668], "noise": [0.607, 0.655], "attacked": [0.18, 0.215], "ceiling": [0.05, 0.064]},
        "recovered": 0.7615,
        "recovered_ci95": [0.73, 0.79],
        "success": {"attacker": None, "referee": 0.31},
        "status": {"succeeded": 0, "failed": 0, "exhausted": 0, "error": 0, "unverified": 500},
        "metrics": {},
    }
    unmeasured = {
        **measured,
        "map": {**measured["map"], "ceiling": None},  # type: ignore[dict-item]
        "map_ci95": {"clean": None, "noise": None, "attacked": None, "ceiling": None},
        "recovered": None,
        "recovered_ci95": None,
    }
    return {
        "schema": 1,
        "name": name,
        "seed": 0,
        "config": {},
        "versions": {"crossattack": "0.1.0"},
        "started": "2026-11-22T02:00:00+00:00",
        "seconds": {"data": 1.0, "total": 61.5},
        "dataset": {"name": "pictograms", "pairs": 11700, "query": 1000, "database": 7900, "train": 6000, "attacker": 2500},
        "target": {"name": "dcmh", "dim": 32, "digest": "0123456789abcdef"},
        "threat_model": {
            "reveals": "codes",
            "top_k": None,
            "eps": 8 / 255,
            "norm": "linf",
            "text": {"change": "additive bag of words", "eps": 0.1, "realisable": False},
            "family_known": True,
            "start_known": True,
            "vocabulary_known": False,
        },
        "budget": {
            "cap": 2000,
            "per_item": None,
            "spent": 2000,
            "images": 1000,
            "texts": 1000,
            "repeats": 3,
            "phases": {"mining": 2000},
            "evaluation": 24000,
            "ledger_digest": "fedcba9876543210",
        },
        "directions": {"image_to_text": measured, "text_to_image": unmeasured},
        "distortion": {
            "images": {"linf_max": 0.03137, "l2": 2.91, "psnr": None, "ssim": 0.934},
            "texts": {"realisable": False, "weight_linf": 0.1},
        },
        "surrogates": [{"image_tower": "efficientnet_lite0", "text_tower": "bag_of_words", "bit_agreement": 0.86, "rank_agreement": 0.61}],
        "checks": list(CHECKS),
    }
