"""Names that belong to a package of jno's own, alphabetical within their kind.

Such a name is served by its owner only, so neither installing nor removing a stranger's package changes what it
computes. Install hints come from here alone, never from what a user typed: a guessed package name would send people to
whoever registers it.
"""

from collections.abc import Mapping
from types import MappingProxyType

_NAMES: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("scheme", "jno-plugin-ad"): ("automatic_differentiation",),
        ("scheme", "jno-plugin-fd"): ("finite_difference",),
        ("scheme", "jno-plugin-spectral"): ("learned", "spectral"),
        ("geometry", "jno-plugin-geometry"): (
            "annulus",
            "ball",
            "box",
            "cone",
            "csg",
            "cube",
            "cylinder",
            "disk",
            "ellipse",
            "equi_distant_rect",
            "file",
            "grid",
            "l_shape",
            "line",
            "poly",
            "polygon",
            "poseidon",
            "prism",
            "rect",
            "rect_pml",
            "rectangle_with_hole",
            "rectangle_with_holes",
            "regular_polygon",
            "torus",
            "triangle",
        ),
        ("balancer", "jno-plugin-balancers"): (
            "dwa",
            "grad_norm",
            "lbpinns",
            "ntk",
            "relobralo",
            "rlw",
            "softadapt",
        ),
        ("adapter", "jno-plugin-lora"): ("lora",),
        ("resampler", "jno-plugin-resampling"): ("cr3", "r3", "rad", "random", "rar_d"),
        ("callback", "jno-plugin-callbacks"): (
            "aim",
            "checkpoint",
            "cos_similarity",
            "csv_logger",
            "early_stopping",
            "gradient_alignment",
            "gradient_norms",
            "hessian_spectrum",
            "loss_landscape",
            "mlflow",
            "nan_guard",
            "ntk_spectrum",
            "plot_live",
            "progress",
            "residual_stats",
            "tensorboard",
            "wandb",
        ),
        ("schedule", "jno-plugin-balancers"): (
            "constant",
            "cosine",
            "dlrs",
            "exponential",
            "piecewise_constant",
            "warmup_cosine",
        ),
        ("optimizer", "jno-plugin-optimizers"): ("engd", "soap", "ssbfgs", "ssbroyden"),
        ("search", "jno-plugin-tuning"): ("grid", "nevergrad"),
    }
)

OWNERS: Mapping[tuple[str, str], str] = MappingProxyType(
    {(kind, name): owner for (kind, owner), names in _NAMES.items() for name in names}
)
"""The distribution that owns a name, by kind and name."""

assert all(names == tuple(sorted(set(names))) for names in _NAMES.values()), "the names must be alphabetical"
assert len(OWNERS) == sum(map(len, _NAMES.values())), "a name has two owners"


def known_names(kind: str) -> tuple[str, ...]:
    """All owned names of a kind, sorted."""
    return tuple(sorted(name for of, name in OWNERS if of == kind))
