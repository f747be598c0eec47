"""A baked mesh in somebody else's renderer: three.js in headless Chromium shows the colors that were baked."""

import functools
import http.server
import shutil
import subprocess
import threading

import pytest
import torch

pytest.importorskip("embreex")
from colored_cube import colored_cube
from splatdream.cameras.batch import orbit_cameras
from splatdream.texture.mesh_files import write_glb
from splatdream.texture.mesh_rendering import paint, rasterize
from splatdream.texture.ray_casting import RayCaster

SIZE = 160
THREE = "three@0.170.0"
PAGE = """<!doctype html><html><head><script type="importmap">{"imports": {
"three": "/node_modules/three/build/three.module.js",
"three/addons/": "/node_modules/three/examples/jsm/"}}</script></head>
<body style="margin:0"><script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
const renderer = new THREE.WebGLRenderer({antialias: true, preserveDrawingBuffer: true});
renderer.setSize(%(size)d, %(size)d);
document.body.append(renderer.domElement);
const scene = new THREE.Scene();
scene.background = new THREE.Color(1, 1, 1);
const camera = new THREE.PerspectiveCamera(%(fovy)f, 1, 0.01, 100);
camera.position.set(%(position)s);
camera.lookAt(0, 0, 0);
new GLTFLoader().load("thing.glb", (gltf) => {
  scene.add(gltf.scene);
  renderer.render(scene, camera);
  document.documentElement.dataset.state = "drawn";
});
</script></body></html>"""


@pytest.mark.node
@pytest.mark.browser
def test_another_renderer_shows_what_was_baked(browser, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("needs node and npm on the PATH")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", THREE], cwd=tmp_path, check=True)
    textured = colored_cube()
    write_glb(tmp_path / "thing.glb", textured)
    camera = orbit_cameras([25.0], [35.0], distance=2.5, fovy_deg=45.0, width=SIZE, height=SIZE)
    x, y, z = camera.positions[0].tolist()
    # World (x, y, z) is file (y, z, x).
    (tmp_path / "index.html").write_text(PAGE % {"size": SIZE, "fovy": 45.0, "position": f"{y}, {z}, {x}"})
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/index.html", SIZE, SIZE)
        shown = torch.from_numpy(browser.screenshot())
    finally:
        server.shutdown()
    fragments = rasterize(RayCaster(textured.mesh), camera, supersampling=4)
    expected = paint(fragments, textured.layout, textured.texture, torch.ones(1, 3))[0]
    alpha = fragments.alphas[0, ..., 0]
    # The outline lies where ours lies, and inside of it the colors are the same to two steps of 255.
    is_white = (shown > 0.99).all(dim=-1)
    assert is_white[alpha == 0].all() and not is_white[alpha == 1].any()
    inside = (torch.nn.functional.max_pool2d(1 - alpha[None], 5, stride=1, padding=2) == 0)[0]
    difference = (shown - expected).abs().amax(dim=-1)[inside]
    assert difference.median() < 1 / 255 and (difference < 4 / 255).float().mean() > 0.9
