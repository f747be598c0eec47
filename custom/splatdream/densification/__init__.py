"""More or fewer Gaussians, by the gradient of the distillation loss: statistics, criteria, operations, controller."""
