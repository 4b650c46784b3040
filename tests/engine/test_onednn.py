"""The calls of oneDNN: what they compute, when they are made, and that they end, again and again."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec, gram, onednn
from tests.engine import oracle
from tests.house import ROOT

needs_onednn = pytest.mark.skipif(not onednn.available(), reason="this jaxlib or processor is not among the verified")
LETTERS = {1: "W", 2: "HW", 3: "DHW"}
SPEC = Spec((Axis(64, 3, 1, 1, 2, 1, 1),) * 2)  # large enough for the rule to call oneDNN for all three maps


def random_call(seed):
    """x, kernel and the arguments of a random convolution within the contract."""
    r = np.random.default_rng(seed)
    rank = int(r.integers(1, 4))
    depthwise = rank > 1 and r.random() < 0.3
    groups = int(r.choice([2, 3, 7, 16, 21, 33, 64] if depthwise else [1, 1, 1, 2, 4]))
    inner, outer = (1 if depthwise else int(r.choice([1, 2, 3, 5, 8, 16, 17, 33])) + (groups > 1) for _ in range(2))
    size = r.integers(1, (0, 40, 16, 8)[rank], rank)
    window = r.integers(1, (0, 12, 6, 4)[rank], rank)
    if depthwise and r.random() < 0.4:  # the gradient in the taps: y is the window
        window = np.maximum(size - r.integers(0, 3, rank), 1)
    dilation, strides = r.choice([1] if depthwise else [1, 1, 2, 3], rank), r.choice([1, 1, 2, 3, 5], rank)
    pads = []
    for n, w, d in zip(size, window, dilation, strict=True):
        least = int(max(0, (w - 1) * d + 1 - n))
        lo = int(r.integers(0, least + w * d + 2))
        pads.append((lo, max(0, least - lo) + int(r.integers(0, w * d + 2))))
    x = r.standard_normal((int(r.integers(1, 4)), *size, groups * inner), dtype=np.float32)
    k = r.standard_normal((*window, inner, groups * outer), dtype=np.float32)
    return x, k, [int(s) for s in strides], pads, [int(d) for d in dilation], groups


def native(x, k, strides, pads, dilation, groups):
    letters = LETTERS[len(strides)]
    return lax.conv_general_dilated(
        x, k, strides, pads, rhs_dilation=dilation, feature_group_count=groups, precision="highest",
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
    )  # fmt: skip


def check_convolutions(seeds, repeats):
    """Values within eps of the sum of absolute terms; every repetition the same to the bit."""
    for seed in seeds:
        x, k, *rest = random_call(seed)
        ours = jax.jit(lambda x, k, rest=rest: onednn.convolution(x, k, *rest))
        got = np.asarray(ours(x, k))
        want, scale = native(x, k, *rest), native(abs(x), abs(k), *rest)
        assert got.shape == want.shape
        assert (abs(got - want) <= 16 * np.finfo(np.float32).eps * scale + 1e-30).all(), (seed, rest)
        if rest[-1] == 1:  # the kernel in the other order: the same numbers
            k, turned = k.swapaxes(-1, -2), jax.jit(lambda x, k, rest=rest: onednn.convolution(x, k, *rest, True))
            np.testing.assert_array_equal(turned(x, k), got, err_msg=f"{seed} {rest} turned")
            ours = turned
        for _ in range(repeats):
            np.testing.assert_array_equal(ours(x, k), got, err_msg=f"{seed} {rest}")


def check_products(seeds, repeats):
    for seed in seeds:
        r = np.random.default_rng(seed)
        m, k, n, blocks = (int(np.exp(r.uniform(0, np.log(top)))) for top in (300, 3000, 300, 100))
        if seed % 2:
            groups = int(r.choice([1, 1, 2, 5]))
            a, b, call = r.standard_normal((groups, k, m)), r.standard_normal((groups, k, n)), onednn.product
            want, scale = a.mT @ b, abs(a).mT @ abs(b)
        else:
            k = min(k, 300)
            a, b, call = r.standard_normal((1, m, k)), r.standard_normal((blocks, k, n)), onednn.products
            want, scale = a @ b, abs(a) @ abs(b)
        a, b, call = jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32), jax.jit(call)
        got = np.asarray(call(a, b))
        assert (abs(got - want) <= 16 * np.finfo(np.float32).eps * scale).all(), seed
        for _ in range(repeats):
            np.testing.assert_array_equal(call(a, b), got, err_msg=str(seed))


@needs_onednn
def test_convolutions():
    check_convolutions(range(25), repeats=40)


@needs_onednn
def test_products():
    check_products(range(20), repeats=40)


@needs_onednn
def test_one_operand_for_all_groups():
    """What the gradient of large blocks asks for: oneDNN repeats the first operand."""
    for seed in range(12):
        r = np.random.default_rng(seed)
        groups, k, m, n = (int(r.integers(low, high)) for low, high in ((2, 33), (1, 400), (1, 100), (1, 100)))
        a, b = r.integers(-4, 5, (1, k, m)), r.integers(-4, 5, (groups, k, n))
        call = jax.jit(onednn.product)
        for _ in range(40):
            np.testing.assert_array_equal(call(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)), a.mT @ b)


@needs_onednn
def test_large_blocks_against_the_definition(monkeypatch):
    ran, blocks = [], gram._blocks
    monkeypatch.setattr(gram, "_blocks", lambda *args: ran.append(args) or blocks(*args))
    check_maps(Spec((Axis(33, 16, down=8, lo=4, hi=5), Axis(25, 8, down=4, lo=1, hi=2))), "gram", 16, 13)
    assert ran


@needs_onednn
@pytest.mark.slow
def test_hundreds_of_convolutions_and_products():
    check_convolutions(range(1000, 1500), repeats=40)
    check_products(range(1000, 1250), repeats=40)


@needs_onednn
def test_one_program_of_many_calls():
    """Calls that depend on each other and calls that do not, in a scan, many times: the results never change."""
    x, k, y = (jnp.asarray(v, jnp.float32) for v in drawn(SPEC, 32, 32))

    @jax.jit
    def program(x, k, y):
        def body(carry, _):
            x, k, y = carry
            fy, tx = engine.stage(x, k, SPEC), engine.transpose(y, k, SPEC)
            wk = engine.taps_gradient(x, y, SPEC)
            return (jnp.tanh(x + tx), k - 1e-3 * wk, jnp.tanh(y + fy)), jnp.sum(fy)

        return lax.scan(body, (x, k, y), length=5)

    assert "__onednn$" in program.lower(x, k, y).as_text()
    first = jax.tree.map(np.asarray, program(x, k, y))
    for _ in range(200):
        jax.tree.map(np.testing.assert_array_equal, program(x, k, y), first)


@needs_onednn
def test_from_several_threads():
    """Programs that run at the same time share XLA's thread pool, and do not wait for each other for ever."""
    operands = [jnp.asarray(v, jnp.float32) for v in drawn(SPEC, 32, 32)]
    program = jax.jit(maps)
    first = jax.tree.map(np.asarray, program(*operands))

    def again(_):
        for _ in range(100):
            jax.tree.map(np.testing.assert_array_equal, program(*operands), first)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(4), timeout=100))


@needs_onednn
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("strategy", ["library", "gram"])
def test_stages_against_the_definition(strategy, groups):
    check_maps(Spec((Axis(17, 4, 1, 2, 1, 3, 2), Axis(14, 3, 2, 1, 2, 2, -1)), groups), strategy, 16, 24)


@needs_onednn
@pytest.mark.parametrize(("groups", "cin", "cout"), [(5, 5, 5), (5, 5, 10), (21, 21, 21), (None, 6, 6), (None, 1, 1)])
def test_sums_by_channel_against_the_definition(groups, cin, cout):
    """Strided one way, enlarged the other; channels that do and do not fill vectors, several results for each."""
    axes = (Axis(17, 4, 1, 1, 2, 3, -1), Axis(14, 5, 1, 3, 1, -1, 3))
    for some in (axes[:1], axes[1:], axes):
        check_maps(Spec(some, groups), "library", cin, cout)


def check_maps(spec, strategy, cin, cout):
    """F, T and W of one strategy."""
    x, k, y = drawn(spec, cin, cout)
    with engine.strategy(strategy):
        got = jax.jit(lambda x, k, y: maps(x, k, y, spec))(*(v.astype(np.float32) for v in (x, k, y)))
    definition = (oracle.stage(x, k, spec), oracle.transpose(y, k, spec), oracle.taps_gradient(x, y, spec))
    for a, b in zip(got, definition, strict=True):
        np.testing.assert_array_equal(a, b)  # small integers: exact


def drawn(spec, cin, cout):
    r = np.random.default_rng(0)
    taps = spec.window if spec.scalar else (*spec.window, cin // spec.groups, cout)
    shapes = ((2, *spec.size, cin), taps, (2, *spec.out, cout))
    return [r.integers(-3, 4, shape).astype(np.float64) for shape in shapes]


def maps(x, k, y, spec=SPEC):
    return engine.stage(x, k, spec), engine.transpose(y, k, spec), engine.taps_gradient(x, y, spec)


def calls(*operands, spec=SPEC):
    return jax.jit(lambda *o: maps(*o, spec)).lower(*operands).as_text().count("@__onednn$")


@needs_onednn
def test_when_the_calls_are_made():
    """For float32 (and half precision, computed in it); by channel only as the contract allows; never in an export."""
    x, k, y = (v.astype(np.float32) for v in drawn(SPEC, 32, 32))
    assert calls(x, k, y) == 4  # F, T, and W for the first and last row of taps and for the second
    assert calls(*(jnp.asarray(v, jnp.bfloat16) for v in (x, k, y))) == 4
    assert calls(*(v.astype(np.int32) for v in (x, k, y))) == 0
    depthwise = Spec(SPEC.axes, 32)
    assert calls(x, k[:, :, :1], y, spec=depthwise) == 0
    dilated = Spec((Axis(64, 2, 3, 1, 2, 1, 1),) * 2, 32)
    with engine.strategy("library"):  # F and T, but not dilated, not even where it is asked for
        assert calls(x, k[:, :, :1], y, spec=depthwise) == 2
        assert calls(x, k[:2, :2, :1], y, spec=dilated) == 0
        single = Spec(SPEC.axes, None)  # no sum by channel: a large y as its window would end the process
        assert calls(x[..., :1], k[:, :, 0, 0], y[..., :1], spec=single) == 0
    long = Spec((Axis(64, 7, 1, 1, 1, 3, 3),) * 2, 32)
    assert calls(x, np.ones((7, 7, 1, 32), np.float32), x, spec=long) == 3
    exported = export.export(jax.jit(maps))(x, k, y)
    assert "__onednn" not in exported.mlir_module()
    for a, b in zip(exported.call(x, k, y), maps(x, k, y), strict=True):
        np.testing.assert_array_equal(a, b)
    assert engine.choose(SPEC, "F", x.shape, "float32") == "library"
    assert engine.choose(SPEC, "F", x.shape, "float32", "cuda") == "direct"


@needs_onednn
def test_several_devices_are_left_to_the_partitioner():
    mesh = jax.make_mesh((2,), ("i",), devices=jax.devices()[:2])
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("i"))
    x, k, y = (v.astype(np.float32) for v in drawn(SPEC, 32, 32))
    apart = [jax.device_put(v, split) for v in (x, y)]
    run = jax.jit(lambda x, y: maps(x, k, y))
    assert "__onednn" not in run.lower(*apart).as_text()
    for a, b in zip(run(*apart), maps(x, k, y), strict=True):
        np.testing.assert_array_equal(a, b)


UNAVAILABLE = {
    "switched off": {"DECONVJAX_ONEDNN": "0"},
    "another instruction set": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
}


@pytest.mark.parametrize("reason", UNAVAILABLE)
def test_when_it_is_not_available(reason):
    program = "import jax.numpy as jnp\nfrom deconvjax.engine import onednn\nprint(onednn.available())"
    environment = {**os.environ, **UNAVAILABLE[reason]}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_unverified_releases_and_processors(monkeypatch):
    for variable in ("DECONVJAX_ONEDNN", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(onednn, "_instructions", lambda: onednn.NEEDED)
    monkeypatch.setattr(onednn, "RELEASE", onednn.VERIFIED[-1])
    monkeypatch.setattr(onednn.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(onednn.sys, "platform", "linux")
    assert onednn._wanted()
    with monkeypatch.context() as m:
        m.setattr(onednn, "RELEASE", "99.0")
        assert not onednn._wanted()
    with monkeypatch.context() as m:
        m.setattr(onednn, "_instructions", lambda: onednn.NEEDED - {"avx512f"})
        assert not onednn._wanted()
    with monkeypatch.context() as m:
        m.setattr(onednn.platform, "machine", lambda: "aarch64")
        assert not onednn._wanted()


def test_the_pinned_release_is_verified():
    """So that the tests above are not skipped in silence when the pin moves."""
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    assert pins["jaxlib"] in onednn.VERIFIED


@needs_onednn
def test_a_build_without_it(monkeypatch):
    """A target that nobody knows is refused when it is compiled, and that is noticed."""
    monkeypatch.setattr(onednn, "PREFIX", "__nobody$")
    assert not onednn._compiles()
