"""The project's defaults for automatic differentiation, and what scheme strings mean."""

from jno_core._settings import (
    ad_fn as ad_fn,
    get_ad_mode as get_ad_mode,
    get_hessian_mode as get_hessian_mode,
    parse_ad_scheme as parse_ad_scheme,
    parse_hessian_scheme as parse_hessian_scheme,
    set_ad_mode as set_ad_mode,
    set_hessian_mode as set_hessian_mode,
)
