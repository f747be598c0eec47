"""More or fewer Gaussians: by the gradient of the distillation loss or by their opacity (strategies.py)."""
