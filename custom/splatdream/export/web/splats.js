// Draws Gaussians: sort the rows by depth, draw them back to front.

const TEXELS_PER_ROW = 2048;
const TEXEL_BYTES = 16;
const NO_ROW = 0xffffffff;

// The rows that viewer_page.py packs, padded to whole texture rows so that the bytes can be uploaded as they are.
function prepareGaussians(texts) {
  const rows = decodeBase64(texts.rows);
  const rowBytes = TEXELS_PER_ROW * TEXEL_BYTES;
  const bytes = new Uint8Array(Math.max(1, Math.ceil(rows.length / rowBytes)) * rowBytes);
  bytes.set(rows);
  return bytes;
}

// Counting sort of 16-bit depths, farthest first; whole lines of the order's texture.
function makeSorter(positions, stride, count) {
  const bins = 1 << 16;
  const keys = new Uint16Array(count);
  const depths = new Float32Array(count);
  const starts = new Uint32Array(bins + 1);
  const order = new Uint32Array(Math.max(1, Math.ceil(count / TEXELS_PER_ROW)) * TEXELS_PER_ROW).fill(NO_ROW);
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

// Bound, and read texel by texel.
function makeLookup(gl) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return texture;
}

// (camera, focal length in pixels, background) => draws the model.
function makeGaussianRenderer(gl, bytes, model) {
  const program = makeProgram(gl, 'gaussians');
  const at = (name) => gl.getUniformLocation(program, name);

  const textureHeight = bytes.length / (TEXELS_PER_ROW * TEXEL_BYTES);
  if (textureHeight > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    throw new Error(`${model.rows} Gaussians are more than this graphics card can hold in one texture`);
  }
  const texture = makeLookup(gl);
  const words = new Uint32Array(bytes.buffer);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32UI, TEXELS_PER_ROW, textureHeight, 0, gl.RGBA_INTEGER, gl.UNSIGNED_INT, words);
  gl.uniform1i(at('u_texels_per_gaussian'), model.row_bytes / TEXEL_BYTES);
  gl.uniform1i(at('u_sh_degree'), model.sh_degree);
  gl.uniform1f(at('u_sh_scale'), model.sh_scale);

  // A line of the order is an instance: in software renderers an instance costs more than a Gaussian.
  const lines = Math.max(1, Math.ceil(model.rows / TEXELS_PER_ROW));
  const order = makeLookup(gl);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R32UI, TEXELS_PER_ROW, lines);
  gl.uniform1i(at('u_order'), 1);
  const vertices = gl.createVertexArray();
  gl.bindVertexArray(vertices);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  const corners = Uint16Array.from({ length: 6 * TEXELS_PER_ROW }, (_, i) => 4 * Math.floor(i / 6) + [0, 1, 2, 2, 1, 3][i % 6]);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
  gl.bindVertexArray(null);

  const composite = makeHalfFloatTarget(gl);
  const sortByDepth = makeSorter(new Float32Array(bytes.buffer), model.row_bytes / 4, model.rows);
  return (camera, focalPx, background) => {
    const { right, down, forward } = cameraAxes(camera);
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, order);
    gl.texSubImage2D(
      gl.TEXTURE_2D, 0, 0, 0, TEXELS_PER_ROW, lines, gl.RED_INTEGER, gl.UNSIGNED_INT, sortByDepth(forward));
    gl.activeTexture(gl.TEXTURE0);
    gl.bindVertexArray(vertices);
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    composite.begin();
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    // The three vectors are rows of the matrix, and WebGL2 transposes when asked.
    gl.uniformMatrix3fv(at('u_world_to_camera'), true, [...right, ...down, ...forward]);
    gl.uniform3fv(at('u_camera_position'), cameraPosition(camera));
    gl.uniform1f(at('u_focal_px'), focalPx);
    gl.uniform2f(at('u_size_px'), gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.drawElementsInstanced(gl.TRIANGLES, 6 * TEXELS_PER_ROW, gl.UNSIGNED_SHORT, 0, lines);
    gl.bindVertexArray(null);
    composite.end();
  };
}

