// What every page with a 3D view needs: an upright camera on a sphere round a target, and shader programs.
// World: z up, the front looks to +x.
'use strict';

const element = (id) => document.getElementById(id);
const radians = (degrees) => (degrees * Math.PI) / 180;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function decodeBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

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

function compile(gl, type, source) {
  const shader = gl.createShader(type);
  gl.shaderSource(shader, source.trim());
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(`shader: ${gl.getShaderInfoLog(shader)}`);
  }
  return shader;
}

// The two shaders of a kind of model, linked; throws what the compiler said.
function makeProgram(gl, kind) {
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, element(`${kind}-vertex-shader`).textContent));
  gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, element(`${kind}-fragment-shader`).textContent));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`program: ${gl.getProgramInfoLog(program)}`);
  }
  gl.useProgram(program);
  return program;
}
