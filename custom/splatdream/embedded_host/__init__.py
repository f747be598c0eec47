"""A small host for threestudio-style plugins: registry, configuration, base classes, saving, launching.

It stands on omegaconf and pytorch-lightning, follows the names and protocols of threestudio 0.2.3, and knows nothing of
what the plugins make.
"""
