// Draws a textured mesh as its files say: every texel as it is, without light, or its shape in gray.

// What mesh_page.py packs: positions and texture places as floats, three indices a face, and the texture as a PNG.
async function prepareMesh(texts) {
  const mesh = {
    positions: new Float32Array(decodeBase64(texts.positions).buffer),
    uvs: new Float32Array(decodeBase64(texts.uvs).buffer),
    indices: new Uint32Array(decodeBase64(texts.indices).buffer),
    image: null,
  };
  mesh.radius = 1e-6;
  for (let i = 0; i < mesh.positions.length; i += 3) {
    mesh.radius = Math.max(mesh.radius, Math.hypot(mesh.positions[i], mesh.positions[i + 1], mesh.positions[i + 2]));
  }
  if (texts.texture) {
    mesh.image = new Image();
    mesh.image.src = `data:image/png;base64,${texts.texture}`;
    await mesh.image.decode();
  }
  return mesh;
}

// Draws at `factor` times the size and halves it at the end: the mean of a regular grid of rays in each pixel.
function makeSupersampledTarget(gl) {
  const framebuffer = gl.createFramebuffer();
  const color = gl.createRenderbuffer();
  const depth = gl.createRenderbuffer();
  const limit = gl.getParameter(gl.MAX_RENDERBUFFER_SIZE);
  let [width, height, factor] = [0, 0, 1];
  return {
    begin() {
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      const [w, h] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
      // Small pixels need no help, and cost most.
      factor = window.devicePixelRatio > 1.5 || 2 * Math.max(w, h) > limit ? 1 : 2;
      if (width !== factor * w || height !== factor * h) {
        [width, height] = [factor * w, factor * h];
        gl.bindRenderbuffer(gl.RENDERBUFFER, color);
        gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, width, height);
        gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, color);
        gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
        gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
        gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
      }
      gl.viewport(0, 0, width, height);
      return factor;
    },
    end() {
      gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
      const [w, h] = [width / factor, height / factor];
      gl.blitFramebuffer(0, 0, width, height, 0, 0, w, h, gl.COLOR_BUFFER_BIT, factor > 1 ? gl.LINEAR : gl.NEAREST);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    },
  };
}

function makeTexture(gl, image) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  // The bytes of the file: no color management, no flip (row 0 is the top, and the shader knows).
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, image);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}

// (camera, focal length in pixels, background, whether the shape is shown in gray) => draws the model.
function makeMeshRenderer(gl, mesh) {
  const largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  if (mesh.image && Math.max(mesh.image.width, mesh.image.height) > largest) {
    throw new Error(`the texture is larger than the ${largest} pixels that this graphics card can hold`);
  }
  const program = makeProgram(gl, 'mesh');
  const at = (name) => gl.getUniformLocation(program, name);
  // A sampler must have something to sample, also where the color comes from the shape.
  const texture = makeTexture(gl, mesh.image ?? new ImageData(1, 1));
  const vertices = gl.createVertexArray();
  gl.bindVertexArray(vertices);
  const attribute = (name, values, size) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
  };
  attribute('a_position', mesh.positions, 3);
  attribute('a_uv', mesh.uvs, 2);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.indices, gl.STATIC_DRAW);
  gl.bindVertexArray(null);

  const target = makeSupersampledTarget(gl);
  return (camera, focalPx, background, isGray) => {
    const { right, down, forward } = cameraAxes(camera);
    const position = cameraPosition(camera);
    const fromOrigin = Math.hypot(...position);
    gl.useProgram(program);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.bindVertexArray(vertices);
    const factor = target.begin();
    gl.disable(gl.BLEND);
    gl.enable(gl.DEPTH_TEST);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(at('u_world_to_camera'), true, [...right, ...down, ...forward]);
    gl.uniform3fv(at('u_camera_position'), position);
    gl.uniform1f(at('u_focal_px'), factor * focalPx);
    gl.uniform2f(at('u_size_px'), factor * gl.drawingBufferWidth, factor * gl.drawingBufferHeight);
    gl.uniform2f(at('u_near_far'), Math.max(fromOrigin - mesh.radius, 1e-3 * mesh.radius), fromOrigin + mesh.radius);
    gl.uniform1i(at('u_is_gray'), isGray || !mesh.image ? 1 : 0);
    gl.drawElements(gl.TRIANGLES, mesh.indices.length, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
    target.end();
  };
}
