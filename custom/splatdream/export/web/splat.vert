#version 300 es
// Every four vertices are the corners of one Gaussian: project its axes to pixels (EWA, Zwicker et al. 2001, as in 3DGS
// sec. 4), and stretch a square over the ellipse where its alpha is at least 1 / 255.
precision highp float;
precision highp int;
precision highp usampler2D;

const int TEXELS_PER_ROW = 2048;
const uint NO_ROW = 0xffffffffu;  // behind the last one
const float NEAR = 0.01;
const float BLUR_PX2 = 0.1;  // variance of the pixel filter, as in antialiased rendering
const float ALPHA_THRESHOLD = 1.0 / 255.0;

uniform usampler2D u_gaussians;  // rows as viewer_page.py packs them
uniform usampler2D u_order;      // which row comes when, the farthest first; an instance draws a line of it
uniform int u_texels_per_gaussian;
uniform int u_sh_degree;
uniform float u_sh_scale;
uniform mat3 u_world_to_camera;  // OpenCV axes: x right, y down, z forward
uniform vec3 u_camera_position;
uniform float u_focal_px;
uniform vec2 u_size_px;

out vec2 v_sigmas;  // position in the Gaussian, in standard deviations
flat out vec4 v_color;

uvec4 texel(int index) {
  return texelFetch(u_gaussians, ivec2(index % TEXELS_PER_ROW, index / TEXELS_PER_ROW), 0);
}

// Three signed 10-bit numbers in [-1, 1].
vec3 unpack_signed_10(uint word) {
  return vec3(ivec3(uvec3(word << 22, word << 12, word << 2)) >> 22) / 511.0;
}

// Color seen along direction d above degree 0, with the signs of 3DGS; `first` is the first texel with coefficients.
vec3 view_dependent_color(int first, vec3 d) {
  vec3 c[15];
  int count = (u_sh_degree + 1) * (u_sh_degree + 1) - 1;
  for (int k = 0; k < count; ++k) c[k] = unpack_signed_10(texel(first + k / 4)[k % 4]);
  float x = d.x, y = d.y, z = d.z;
  vec3 color = 0.4886025119 * (-y * c[0] + z * c[1] - x * c[2]);
  if (u_sh_degree >= 2) {
    color += 1.0925484306 * (x * y * c[3] - y * z * c[4] - x * z * c[6]) +
             0.3153915653 * (2.0 * z * z - x * x - y * y) * c[5] + 0.5462742153 * (x * x - y * y) * c[7];
  }
  if (u_sh_degree >= 3) {
    color += -0.5900435899 * (y * (3.0 * x * x - y * y) * c[8] + x * (x * x - 3.0 * y * y) * c[14]) +
             2.8906114426 * x * y * z * c[9] + 1.4453057213 * z * (x * x - y * y) * c[13] -
             0.4570457995 * (4.0 * z * z - x * x - y * y) * (y * c[10] + x * c[12]) +
             0.3731763326 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y) * c[11];
  }
  return color * u_sh_scale;
}

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0);  // outside the clip volume
  uint row = texelFetch(u_order, ivec2(gl_VertexID >> 2, gl_InstanceID), 0).x;
  if (row == NO_ROW) return;
  int first = int(row) * u_texels_per_gaussian;
  uvec4 head = texel(first);
  uvec4 tail = texel(first + 1);
  vec3 mean = uintBitsToFloat(head.xyz);
  vec3 seen = u_world_to_camera * (mean - u_camera_position);
  vec2 blue_and_opacity = unpackHalf2x16(tail.w);
  float opacity = blue_and_opacity.y;

  if (seen.z < NEAR || opacity < ALPHA_THRESHOLD) return;

  // The lower triangular factor of the covariance; its columns span the ellipsoid.
  vec2 l0 = unpackHalf2x16(head.w), l1 = unpackHalf2x16(tail.x), l2 = unpackHalf2x16(tail.y);
  mat3 axes = u_world_to_camera *
              mat3(vec3(l0.x, l0.y, l1.y), vec3(0.0, l1.x, l2.x), vec3(0.0, 0.0, l2.y));
  // Far outside the image the linearization explodes; the limit is that of 3DGS.
  vec2 limit = 1.3 * 0.5 * u_size_px / u_focal_px;
  vec2 slope = clamp(seen.xy / seen.z, -limit, limit);
  float a = 0.0, b = 0.0, c = 0.0;
  for (int i = 0; i < 3; ++i) {
    vec2 in_px = u_focal_px / seen.z * (axes[i].xy - slope * axes[i].z);
    a += in_px.x * in_px.x;
    b += in_px.x * in_px.y;
    c += in_px.y * in_px.y;
  }
  // A Gaussian that the pixel filter widens grows fainter, by the ratio of the areas.
  float sharp = max(a * c - b * b, 0.0);
  a += BLUR_PX2;
  c += BLUR_PX2;
  opacity *= sqrt(sharp / (a * c - b * b));
  if (opacity < ALPHA_THRESHOLD) return;
  // Covariance [[a, b], [b, c]] = L L^T maps the unit circle to the ellipse; no eigenvectors are needed.
  float l_xx = sqrt(a), l_yx = b / l_xx, l_yy = sqrt(max(c - l_yx * l_yx, 0.0));

  vec2 corner = vec2(gl_VertexID & 1, (gl_VertexID >> 1) & 1) * 2.0 - 1.0;
  v_sigmas = corner * sqrt(2.0 * log(opacity / ALPHA_THRESHOLD));
  vec2 from_center_px = vec2(l_xx * v_sigmas.x, l_yx * v_sigmas.x + l_yy * v_sigmas.y);
  vec2 from_middle_px = u_focal_px * seen.xy / seen.z + from_center_px;
  gl_Position = vec4(vec2(2.0, -2.0) * from_middle_px / u_size_px, 0.0, 1.0);

  vec3 color = vec3(unpackHalf2x16(tail.z), blue_and_opacity.x);
  if (u_sh_degree > 0) color += view_dependent_color(first + 2, normalize(mean - u_camera_position));
  v_color = vec4(max(color, 0.0), opacity);
}
