"""The training of the small priors: a Stable Diffusion and an MVDream that know the toybox and nothing else."""
