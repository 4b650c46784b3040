"""The explorer in a real browser: its sliders are moved, what it then shows is read and compared."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from importlib.metadata import version

import numpy as np
import pytest

import deconvjax as dj
from deconvjax.cli import main
from deconvjax.draw import explore
from tests.draw.loops import Setting

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Appended to the page: moves each slider as a hand does (value, then an input event), clicks the box, reads the DOM.
HAND = """
<pre id="report"></pre>
<script>
function move(key, value) {
  const slider = document.getElementById(key);
  slider.value = value;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
  return +slider.value;
}
function read() {
  const text = id => document.getElementById(id).textContent;
  const count = name => document.querySelectorAll("#input-view rect." + name).length;
  const rows = [...document.querySelectorAll("#matrix tr")];
  const here = document.querySelector("#output-view rect.here");
  return {input: text("input-title"), output: text("output-title"), formula: text("formula"), problem: text("problem"),
          matrix: rows.map(row => [...row.cells].map(cell => +(cell.textContent || 0))), cells: {input: count("input"),
          stuffed: count("stuffed"), pad: count("pad"), cropped: count("cropped"), reads: count("reads")},
          outputs: document.querySelectorAll("#output-view rect").length,
          here: here && [+here.getAttribute("y"), +here.getAttribute("x")].map(at => (at - 2) / CELL),
          labels: SLIDERS.map(([key]) => +text(key + "-value")), locked: document.getElementById("a").disabled};
}
const seen = [];
for (const [n, k, s, p, d, a, t, step] of SETTINGS) {
  if (document.getElementById("transposed").checked !== (t === 1)) document.getElementById("transposed").click();
  const moved = [["n", n], ["k", k], ["s", s], ["p", p], ["d", d], ["a", a], ["step", step]].map(pair => move(...pair));
  seen.push({...read(), moved});
}
document.getElementById("report").textContent = JSON.stringify(seen);
</script>
"""


def shown(tmp_path, address):
    """The page after its scripts have run."""
    assert BROWSER, "no browser: install Chromium (apt-get install chromium), or Chrome, to run this test"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([BROWSER, *flags, "--dump-dom", address], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_stands_alone(tmp_path):
    """Nothing is fetched: no address but XML's own names, no script or style from elsewhere."""
    page = explore(tmp_path / "explore.html").read_text("utf-8")
    assert not re.findall(r"(?:https?:)?//(?!www\.w3\.org)[\w.]+\.\w+/", page.split("<script>")[0])
    assert "src=" not in page and "<link" not in page and "@import" not in page


def test_the_folder_is_made_or_the_refusal_is_one_line(tmp_path, capsys):
    page = tmp_path / "new" / "folder" / "page.html"
    assert main(["explore", "--out", str(page)]) == 0 and page.exists()
    for command, out in (("explore", page / "page.html"), ("figures", page)):
        capsys.readouterr()
        assert main([command, "--out", str(out)]) == 1
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1
        assert said.err.startswith(f"deconvjax {command}: cannot write {out}: ")


def test_the_version_is_the_installed_one(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"deconvjax {dj.__version__}\n"
    assert dj.__version__ == version("deconvjax")


def library(setting):
    """The library's matrix of a setting; torch's output_padding as samples taken off the high pad."""
    n, k, s, p, d, a, t = setting
    kernel = np.arange(1, k + 1).reshape(k, 1, 1)
    if t:
        return dj.conv_transpose(kernel, strides=s, padding=((p, p - a),), kernel_dilation=d).on((n, 1)).sparse()
    return dj.conv(kernel, strides=s, padding=p, kernel_dilation=d).on((n, 1)).sparse()


@pytest.mark.slow
def test_moving_the_sliders(tmp_path):
    """300 settings in one visit: sizes, values, cells, window and refusals are the definition's and the library's."""
    rng = np.random.default_rng(0)
    settings = [Setting(*(int(rng.integers(low, high + 1)) for low, high in
                          ((1, 9), (1, 5), (1, 4), (0, 4), (1, 3), (0, 3), (0, 1)))) for _ in range(300)]
    steps = rng.integers(0, 12, len(settings)).tolist()
    page = explore(tmp_path / "explore.html")
    moves = [[*at, step] for at, step in zip(settings, steps, strict=True)]
    script = f"<script>const SETTINGS = {json.dumps(moves)};</script>"
    page.write_text(page.read_text("utf-8").replace("</body>", script + HAND + "</body>"), encoding="utf-8")
    report = re.search(r'<pre id="report">(.*?)</pre>', shown(tmp_path, page.as_uri()), re.S)
    seen = json.loads(html.unescape(report.group(1)))
    assert len(seen) == len(settings)
    refused = compared = 0
    for number, (at, step, page_says) in enumerate(zip(settings, steps, seen, strict=True)):
        assert page_says["locked"] is (at.t == 0)
        asked = at if at.t else at._replace(a=0)
        if asked.out < 1 or (at.t and at.a >= max(at.s, at.d)):
            assert page_says["problem"] and not page_says["matrix"]
            refused += 1
            continue
        assert page_says["problem"] == "" and page_says["moved"][:6] == list(at[:6])
        out, cells = asked.out, page_says["cells"]
        assert page_says["output"] == f"output {out} × {out}" and page_says["formula"].endswith(f"= {out}")
        assert page_says["input"].startswith(f"input {at.n} × {at.n}")
        assert page_says["matrix"] == asked.matrix().tolist()
        assert page_says["outputs"] == out * out and cells["reads"] == at.k**2
        step = min(step, out * out - 1)
        assert page_says["here"] == [step // out, step % out] and page_says["labels"][-1] == step
        assert page_says["labels"][:6] == list(at[:6])
        # cells of one axis: inputs and stuffed zeros inside, minus what negative padding crops off
        pads = (at.d * (at.k - 1) - at.p, at.d * (at.k - 1) - at.p + at.a) if at.t else (at.p, at.p)
        dense = (at.n - 1) * at.s + 1 if at.t else at.n
        everything = (dense + max(pads[0], 0) + max(pads[1], 0))**2
        assert sum(cells.values()) - cells["reads"] == everything
        if min(pads) >= 0:
            assert cells["input"] == at.n**2 and cells["stuffed"] == dense**2 - at.n**2
        if number % 6 == 0:
            assert page_says["matrix"] == library(asked).todense().tolist()
            compared += 1
    assert refused > 20 and compared > 30


@pytest.mark.slow
@pytest.mark.parametrize("setting", [Setting(9, 3, 1, 2, 2, 0, 0), Setting(3, 2, 3, 0, 2, 2, 1)])
def test_an_address_sets_the_sliders(tmp_path, setting):
    page = explore(tmp_path / "explore.html")
    address = page.as_uri() + "#" + "&".join(f"{key}={value}" for key, value in setting._asdict().items())
    dom = shown(tmp_path, address)
    values = json.loads(html.unescape(re.search(r'data-matrix="([^"]*)"', dom).group(1)))
    assert values == setting.matrix().tolist() == library(setting).todense().tolist()
