// The page: which model is shown, from where, before what. The parts of an address after # set the first view, for
// example #azimuth=90&elevation=20&distance=2.5&background=black&model=mesh&plain

const KINDS = {
  gaussians: typeof makeGaussianRenderer === 'undefined' ? null : [prepareGaussians, makeGaussianRenderer],
  mesh: typeof makeMeshRenderer === 'undefined' ? null : [prepareMesh, makeMeshRenderer],
};
const BACKGROUNDS = { white: [1, 1, 1], gray: [0.5, 0.5, 0.5], black: [0, 0, 0] };
const TURN_DEG_PER_SECOND = 36;

function showError(message) {
  element('error').textContent = message;
  document.documentElement.dataset.state = 'error';
}

// What a model's kind makes of its data; called once.
async function prepared(model, index) {
  const texts = {};
  for (const name of model.data) texts[name] = element(`data-${index}-${name}`).textContent;
  return KINDS[model.kind][0](texts);
}

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
  const modelButtons = [...document.querySelectorAll('button.model')];
  const loaded = scene.models.map(() => null);
  let renderers = scene.models.map(() => null);
  let shown = -1;
  let isGray = false;
  let camera = makeCamera(scene.camera);
  let isTurning = false;
  let isScheduled = false;
  let lastTime = 0;

  // The shorter side of the window sees the vertical field of view, so that a tall window shows the whole object too.
  const focal = (width, height) => (0.5 * Math.min(width, height)) / Math.tan(0.5 * radians(camera.fovy_deg));

  function draw(time) {
    isScheduled = false;
    try {
      drawNow(time);
    } catch (error) {
      showError(error.message);
      throw error;
    }
  }
  function drawNow(time) {
    if (isTurning) camera.azimuth_deg += (TURN_DEG_PER_SECOND * Math.min(time - lastTime, 100)) / 1000;
    lastTime = time;
    if (shown >= 0 && !gl.isContextLost()) {
      const model = scene.models[shown];
      renderers[shown] ??= KINDS[model.kind][1](gl, loaded[shown], model);
      renderers[shown](camera, focal(canvas.width, canvas.height), BACKGROUNDS[backgroundName], isGray);
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
    renderers = scene.models.map(() => null);
    requestDraw();
  });

  async function showModel(index) {
    loaded[index] ??= prepared(scene.models[index], index);
    try {
      loaded[index] = await loaded[index];
    } catch (error) {
      showError(`this page is damaged: ${error.message}`);
      throw error;
    }
    shown = index;
    const model = scene.models[index];
    element('facts').textContent = model.facts;
    element('shape').hidden = !model.has_shape_view;
    modelButtons.forEach((button, i) => button.setAttribute('aria-pressed', String(i === index)));
    requestDraw();
  }
  function nextModel() {
    if (shown >= 0 && scene.models.length > 1) showModel((shown + 1) % scene.models.length);
  }
  function toggleShape() {
    isGray = !isGray;
    element('shape').setAttribute('aria-pressed', String(isGray));
    requestDraw();
  }
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

  modelButtons.forEach((button, i) => button.addEventListener('click', () => showModel(i)));
  element('shape').addEventListener('click', toggleShape);
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
    '+': () => zoom(0.9), '-': () => zoom(1 / 0.9), 0: reset, b: nextBackground, ' ': toggleTurning, m: nextModel, s: toggleShape,
  };
  window.addEventListener('keydown', (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLButtonElement && event.key === ' ') return;
    event.preventDefault();
    keys[event.key]();
  });
  showBackground(backgroundName);
  showModel(Math.max(0, scene.models.findIndex((model) => model.kind === asked.get('model'))));
}

try {
  start();
} catch (error) {
  showError(error.message);
  throw error;
}
