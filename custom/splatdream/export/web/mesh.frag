#version 300 es
// The texture's sRGB-coded color as it is, as KHR_materials_unlit asks; or the shape in gray, lit from the camera.
precision highp float;

uniform sampler2D u_texture;
uniform bool u_is_gray;

in vec2 v_uv;
in vec3 v_seen;
out vec4 color;

void main() {
  vec3 normal = normalize(cross(dFdx(v_seen), dFdy(v_seen)));
  float facing = abs(dot(normal, normalize(v_seen)));
  color = vec4(u_is_gray ? vec3(0.2 + 0.65 * facing) : texture(u_texture, v_uv).rgb, 1.0);
}
