"""Triangles to painted triangles: unwrap, ray casting, bake, padding, seams, refinement, material."""
