"""Image, condition and camera to predicted noise: one interface for every diffusion prior."""
