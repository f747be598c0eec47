"""A density and a color at every point of space (NeRF), and how rays gather them: the baseline beside Gaussians."""
