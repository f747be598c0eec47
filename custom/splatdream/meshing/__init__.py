"""Gaussians to triangles: density on a grid, marching cubes, clean-up, decimation, and checks of the result."""
