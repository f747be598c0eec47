"""Geometry and cameras to images. Every Gaussian rasterizer here has the signature of `gsplat.rasterization`."""
