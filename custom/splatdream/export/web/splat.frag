#version 300 es
// Alpha of one Gaussian at one pixel; the output is premultiplied and composited back to front.
precision highp float;

in vec2 v_sigmas;
flat in vec4 v_color;
out vec4 color;

void main() {
  float alpha = min(v_color.a * exp(-0.5 * dot(v_sigmas, v_sigmas)), 0.999);
  if (alpha < 1.0 / 255.0) discard;
  color = vec4(v_color.rgb * alpha, alpha);
}
