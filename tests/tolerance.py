"""|got - want| <= units * eps * scale: the one tolerance of the test-suite.

`eps` is that of the least precise of the two dtypes (integers and booleans have 0 and must agree exactly), `scale`
is the largest magnitude in `want` unless given, `units` says how many roundings the computation may make.
"""

import jax.numpy as jnp
import numpy as np


def eps_of(*dtypes) -> float:
    """eps = max_i finfo(dtype_i).eps, where an exact dtype has 0; bfloat16 and complex dtypes included."""
    return max((float(jnp.finfo(d).eps) if jnp.issubdtype(d, jnp.inexact) else 0.0) for d in dtypes)


def assert_close(got, want, *, units: float = 8, scale: float | None = None, dtype=None) -> None:
    """Fail unless the shapes are equal and |got - want| <= units * eps * scale everywhere.

    A NaN or an infinity counts as wrong unless both sides have it in the same place. `dtype` names the precision
    the computation ran in when neither side shows it (a float64 oracle against a result widened to float64).
    """
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"shape: got {got.shape}, want {want.shape}"
    eps = eps_of(dtype) if dtype is not None else eps_of(got.dtype, want.dtype)
    wide = np.complex128 if np.iscomplexobj(got) or np.iscomplexobj(want) else np.float64
    if eps == 0.0:
        wrong = got != want
        bound, error = 0.0, wrong.astype(float)
    else:
        got, want = got.astype(wide), want.astype(wide)
        finite = np.abs(want[np.isfinite(want)])
        bound = units * eps * (scale if scale is not None else max(finite.max(initial=0.0), np.finfo(np.float64).tiny))
        with np.errstate(invalid="ignore"):
            error = np.abs(got - want)
        same_special = (got == want) | (np.isnan(got) & np.isnan(want))
        wrong = ~(error <= bound) & ~same_special
    if wrong.any():
        worst = np.unravel_index(np.argmax(np.where(wrong, np.nan_to_num(error, nan=np.inf), -1)), wrong.shape)
        raise AssertionError(
            f"{int(wrong.sum())} of {wrong.size} values differ; worst at {tuple(map(int, worst))}: "
            f"got {got[worst]}, want {want[worst]}, error {error[worst]:.3g}, allowed {bound:.3g}"
        )
