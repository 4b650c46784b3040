"""The explorer's arithmetic, run in a real browser where one is installed, against the library."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import deconvjax as dj
from deconvjax.draw import explore

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SETTINGS = [(n, k, s, p, d, a, t) for n, k, s, p, d, a, t in [
    (5, 3, 2, 1, 1, 0, 0), (6, 3, 2, 1, 1, 0, 0), (9, 3, 1, 2, 2, 0, 0), (7, 5, 3, 4, 1, 0, 0),
    (3, 3, 2, 1, 1, 0, 1), (3, 3, 2, 1, 1, 1, 1), (4, 4, 2, 1, 1, 0, 1), (3, 2, 3, 0, 2, 2, 1), (5, 5, 1, 4, 1, 0, 1),
]]


def test_the_page_stands_alone(tmp_path):
    """Nothing is fetched: no address but XML's own names, no script or style from elsewhere."""
    page = explore(tmp_path / "explore.html").read_text("utf-8")
    assert not re.findall(r"(?:https?:)?//(?!www\.w3\.org)[\w.]+\.\w+/", page.split("<script>")[0])
    assert "src=" not in page and "<link" not in page and "@import" not in page


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: "-".join(map(str, s)))
def test_values_in_a_browser(tmp_path, setting):
    """The matrix the page shows is the library's, for convolution and transpose, sliders set by the address."""
    assert BROWSER, "install Chromium to run this test"
    n, k, s, p, d, a, t = setting
    page = explore(tmp_path / "explore.html")
    address = f"{page.as_uri()}#n={n}&k={k}&s={s}&p={p}&d={d}&a={a}&t={t}"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}"]
    dom = subprocess.run([BROWSER, *flags, "--dump-dom", address], capture_output=True, text=True, timeout=60).stdout
    shown = np.array(json.loads(html.unescape(re.search(r'data-matrix="([^"]*)"', dom).group(1))))
    kernel = np.arange(1, k + 1).reshape(k, 1, 1)
    if t:
        taps = d * (k - 1) + 1
        a_map = dj.conv_transpose(kernel, strides=s, padding=((p, p - a),), kernel_dilation=d)
        assert f"= {(n - 1) * s - 2 * p + taps + a}" in html.unescape(dom)
    else:
        a_map = dj.conv(kernel, strides=s, padding=p, kernel_dilation=d)
    want = np.asarray(a_map.on((n, 1)).matrix())
    assert shown.shape == want.shape and (shown == want).all()
