#version 300 es
// A pinhole camera with the principal point in the middle, as our mesh rasterizer's.
precision highp float;

uniform mat3 u_world_to_camera;  // OpenCV axes: x right, y down, z forward
uniform vec3 u_camera_position;
uniform float u_focal_px;
uniform vec2 u_size_px;
uniform vec2 u_near_far;

in vec3 a_position;
in vec2 a_uv;
out vec2 v_uv;
out vec3 v_seen;

void main() {
  v_seen = u_world_to_camera * (a_position - u_camera_position);
  v_uv = vec2(a_uv.x, 1.0 - a_uv.y);  // places count from the bottom, rows from the top
  float near = u_near_far.x, far = u_near_far.y;
  float depth = (v_seen.z * (far + near) - 2.0 * far * near) / (far - near);
  gl_Position = vec4(vec2(2.0, -2.0) * u_focal_px * v_seen.xy / u_size_px, depth, v_seen.z);
}
