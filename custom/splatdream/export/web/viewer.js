// Turns a cloud of Gaussians round: decode the rows, sort them by depth, draw them back to front, follow the pointer.
// World: z up, the front looks to +x. The parts of an address after # set the first view, for example
// #azimuth=90&elevation=20&distance=2.5&background=black&plain
'use strict';

const TEXELS_PER_ROW = 2048;
const TEXEL_BYTES = 16;
const BACKGROUNDS = { white: [1, 1, 1], gray: [0.5, 0.5, 0.5], black: [0, 0, 0] };
const TURN_DEG_PER_SECOND = 36;

const element = (id) => document.getElementById(id);
const radians = (degrees) => (degrees * Math.PI) / 180;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function showError(message) {
  element('error').textContent = message;
  document.documentElement.dataset.state = 'error';
}

function decodeBase64(text) {
  const binary = atob(text);
  // Whole texture rows, so that the bytes can be uploaded as they are.
  const rowBytes = TEXELS_PER_ROW * TEXEL_BYTES;
  const bytes = new Uint8Array(Math.max(1, Math.ceil(binary.length / rowBytes)) * rowBytes);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// ---- Camera: on a sphere round a target, upright.

function makeCamera(start) {
  return { ...start, target: [...start.target] };
}

// Rows of world-to-camera: right, down, forward (OpenCV axes).
function cameraAxes(camera) {
  const azimuth = radians(camera.azimuth_deg);
  const elevation = radians(camera.elevation_deg);
  const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
  return { right: [-sa, ca, 0], down: [se * ca, se * sa, -ce], forward: [-ce * ca, -ce * sa, -se] };
}

function cameraPosition(camera) {
  const { forward } = cameraAxes(camera);
  return camera.target.map((t, i) => t - camera.distance * forward[i]);
}

// Moves the target by pixels of the image, in the plane through it.
function pan(camera, rightPx, downPx, focalPx) {
  const { right, down } = cameraAxes(camera);
  const worldPerPx = camera.distance / focalPx;
  camera.target = camera.target.map((t, i) => t - worldPerPx * (rightPx * right[i] + downPx * down[i]));
}

// ---- Depth order: counting sort of 16-bit depths, farthest first.

function makeSorter(positions, stride, count) {
  const bins = 1 << 16;
  const keys = new Uint16Array(count);
  const depths = new Float32Array(count);
  const starts = new Uint32Array(bins + 1);
  const order = new Uint32Array(count);
  return (forward) => {
    let nearest = Infinity;
    let farthest = -Infinity;
    for (let i = 0; i < count; i++) {
      const p = i * stride;
      const depth = forward[0] * positions[p] + forward[1] * positions[p + 1] + forward[2] * positions[p + 2];
      depths[i] = depth;
      if (depth < nearest) nearest = depth;
      if (depth > farthest) farthest = depth;
    }
    const scale = (bins - 1) / Math.max(farthest - nearest, 1e-20);
    starts.fill(0);
    for (let i = 0; i < count; i++) {
      keys[i] = (farthest - depths[i]) * scale;
      starts[keys[i] + 1]++;
    }
    for (let bin = 0; bin < bins; bin++) starts[bin + 1] += starts[bin];
    for (let i = 0; i < count; i++) order[starts[keys[i]]++] = i;
    return order;
  };
}

// ---- Drawing.

function compile(gl, type, source) {
  const shader = gl.createShader(type);
  gl.shaderSource(shader, source.trim());
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(`shader: ${gl.getShaderInfoLog(shader)}`);
  }
  return shader;
}

// Where the canvas has 8 bits a channel, every layer would round, and a color above 1 would be cut before it is covered.
function makeHalfFloatTarget(gl) {
  if (!gl.getExtension('EXT_color_buffer_float')) return { begin() {}, end() {} };
  const framebuffer = gl.createFramebuffer();
  const renderbuffer = gl.createRenderbuffer();
  let [width, height] = [0, 0];
  return {
    begin() {
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      if (width === gl.drawingBufferWidth && height === gl.drawingBufferHeight) return;
      [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
      gl.bindRenderbuffer(gl.RENDERBUFFER, renderbuffer);
      gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA16F, width, height);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, renderbuffer);
    },
    end() {
      gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
      gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    },
  };
}

function makeRenderer(gl, bytes, scene) {
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, element('vertex-shader').textContent));
  gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, element('fragment-shader').textContent));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`program: ${gl.getProgramInfoLog(program)}`);
  }
  gl.useProgram(program);
  const at = (name) => gl.getUniformLocation(program, name);

  const textureHeight = bytes.length / (TEXELS_PER_ROW * TEXEL_BYTES);
  if (textureHeight > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    throw new Error(`${scene.rows} Gaussians are more than this graphics card can hold in one texture`);
  }
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const words = new Uint32Array(bytes.buffer);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32UI, TEXELS_PER_ROW, textureHeight, 0, gl.RGBA_INTEGER, gl.UNSIGNED_INT, words);
  gl.uniform1i(at('u_texels_per_gaussian'), scene.row_bytes / TEXEL_BYTES);
  gl.uniform1i(at('u_sh_degree'), scene.sh_degree);
  gl.uniform1f(at('u_sh_scale'), scene.sh_scale);

  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, 4 * scene.rows, gl.DYNAMIC_DRAW);
  const row = gl.getAttribLocation(program, 'a_row');
  gl.enableVertexAttribArray(row);
  gl.vertexAttribIPointer(row, 1, gl.UNSIGNED_INT, 0, 0);
  gl.vertexAttribDivisor(row, 1);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

  const composite = makeHalfFloatTarget(gl);
  const sortByDepth = makeSorter(new Float32Array(bytes.buffer), scene.row_bytes / 4, scene.rows);
  return (camera, focalPx, background) => {
    const { right, down, forward } = cameraAxes(camera);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, sortByDepth(forward));
    composite.begin();
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    // The three vectors are rows of the matrix, and WebGL2 transposes when asked.
    gl.uniformMatrix3fv(at('u_world_to_camera'), true, [...right, ...down, ...forward]);
    gl.uniform3fv(at('u_camera_position'), cameraPosition(camera));
    gl.uniform1f(at('u_focal_px'), focalPx);
    gl.uniform2f(at('u_size_px'), gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, scene.rows);
    composite.end();
  };
}

// ---- The page.

function start() {
  const scene = JSON.parse(element('scene').textContent);
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of ['azimuth', 'elevation', 'distance', 'fovy']) {
    const key = name === 'distance' ? name : `${name}_deg`;
    if (Number.isFinite(parseFloat(asked.get(name)))) scene.camera[key] = parseFloat(asked.get(name));
  }
  let backgroundName = Object.hasOwn(BACKGROUNDS, asked.get('background')) ? asked.get('background') : scene.background;
  document.documentElement.classList.toggle('plain', asked.has('plain'));
  // A page around this one has the heading.
  document.documentElement.classList.toggle('framed', window !== window.parent);

  const canvas = element('view');
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false });
  if (!gl) {
    showError('This page draws with WebGL2, which this browser does not offer; switch on hardware acceleration or use another browser.');
    return;
  }
  const bytes = decodeBase64(element('gaussians').textContent);
  let render = makeRenderer(gl, bytes, scene);
  let camera = makeCamera(scene.camera);
  let isTurning = false;
  let isScheduled = false;
  let lastTime = 0;

  // The shorter side of the window sees the vertical field of view, so that a tall window shows the whole object too.
  const focal = (width, height) => (0.5 * Math.min(width, height)) / Math.tan(0.5 * radians(camera.fovy_deg));

  function draw(time) {
    isScheduled = false;
    if (isTurning) camera.azimuth_deg += (TURN_DEG_PER_SECOND * Math.min(time - lastTime, 100)) / 1000;
    lastTime = time;
    if (!gl.isContextLost()) {
      render(camera, focal(canvas.width, canvas.height), BACKGROUNDS[backgroundName]);
      document.documentElement.dataset.state = 'drawn';
    }
    if (isTurning) requestDraw();
  }
  function requestDraw() {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(draw);
  }

  new ResizeObserver(() => {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    requestDraw();
  }).observe(canvas);

  canvas.addEventListener('webglcontextlost', (event) => event.preventDefault());
  canvas.addEventListener('webglcontextrestored', () => {
    render = makeRenderer(gl, bytes, scene);
    requestDraw();
  });

  function showBackground(name) {
    backgroundName = name;
    document.documentElement.classList.toggle('on-dark', name === 'black');
    requestDraw();
  }
  function nextBackground() {
    const names = Object.keys(BACKGROUNDS);
    showBackground(names[(names.indexOf(backgroundName) + 1) % names.length]);
  }
  function toggleTurning() {
    isTurning = !isTurning;
    lastTime = performance.now();
    element('turn').setAttribute('aria-pressed', String(isTurning));
    requestDraw();
  }
  function reset() {
    camera = makeCamera(scene.camera);
    requestDraw();
  }
  function orbit(rightPx, downPx) {
    const degreesPerPx = 180 / Math.min(canvas.clientWidth, canvas.clientHeight);
    camera.azimuth_deg -= degreesPerPx * rightPx;
    camera.elevation_deg = clamp(camera.elevation_deg + degreesPerPx * downPx, -90, 90);
    requestDraw();
  }
  function zoom(factor) {
    camera.distance = clamp(camera.distance * factor, 0.02 * scene.camera.distance, 50 * scene.camera.distance);
    requestDraw();
  }
  function move(rightPx, downPx) {
    pan(camera, rightPx, downPx, focal(canvas.clientWidth, canvas.clientHeight));
    requestDraw();
  }

  element('background').addEventListener('click', nextBackground);
  element('turn').addEventListener('click', toggleTurning);
  element('reset').addEventListener('click', reset);
  canvas.addEventListener('dblclick', reset);
  canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    zoom(Math.exp(clamp(pixels, -200, 200) * 0.0015));
  }, { passive: false });

  const pointers = new Map();
  const middle = () => {
    const [p, q = p] = pointers.values();
    return { x: (p.x + q.x) / 2, y: (p.y + q.y) / 2, apart: Math.hypot(p.x - q.x, p.y - q.y) };
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!pointers.has(event.pointerId) || pointers.size > 2) return;
    const before = middle();
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = middle();
    const [dx, dy] = [after.x - before.x, after.y - before.y];
    if (pointers.size === 2) {
      if (after.apart > 0) zoom(before.apart / after.apart);
      move(dx, dy);
    } else if (event.buttons & 2 || event.shiftKey) {
      move(dx, dy);
    } else {
      orbit(dx, dy);
    }
  });
  for (const name of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }

  const keys = {
    ArrowLeft: () => orbit(-20, 0), ArrowRight: () => orbit(20, 0), ArrowUp: () => orbit(0, -20), ArrowDown: () => orbit(0, 20),
    '+': () => zoom(0.9), '-': () => zoom(1 / 0.9), 0: reset, b: nextBackground, ' ': toggleTurning,
  };
  window.addEventListener('keydown', (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLButtonElement && event.key === ' ') return;
    event.preventDefault();
    keys[event.key]();
  });
  showBackground(backgroundName);
}

try {
  start();
} catch (error) {
  showError(error.message);
  throw error;
}
