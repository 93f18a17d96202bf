"""Configuration, the seed, and the defaults for derivatives."""

from jno_core._settings.ad_mode import (
    ad_fn as ad_fn,
    default_scheme as default_scheme,
    differentiation_modes as differentiation_modes,
    get_ad_mode as get_ad_mode,
    get_hessian_mode as get_hessian_mode,
    isolated_modes as isolated_modes,
    parse_ad_scheme as parse_ad_scheme,
    parse_hessian_scheme as parse_hessian_scheme,
    set_ad_mode as set_ad_mode,
    set_hessian_mode as set_hessian_mode,
)
from jno_core._settings.compilation_cache import use_compilation_cache as use_compilation_cache
from jno_core._settings.files import (
    get_config as get_config,
    get_config_path as get_config_path,
    load_config as load_config,
)
from jno_core._settings.seed import get_seed as get_seed
from jno_core._settings.setup import run_callbacks as run_callbacks, run_directory as run_directory, setup as setup
