"""Points that are the same but for rounding."""

import numpy as np
import shapely
from jaxtyping import Float, Int


def clusters(points: Float[np.ndarray, "n 2"], tolerance: float) -> Int[np.ndarray, " n"]:
    """For each point the first one of all that are linked to it by steps of at most `tolerance`."""
    places = np.asarray(shapely.points(points))
    i, j = shapely.STRtree(places).query(places, predicate="dwithin", distance=tolerance)
    label = np.arange(len(points))
    while True:
        least = label.copy()
        np.minimum.at(least, i, label[j])
        if np.array_equal(least, label):
            return label
        label = least
