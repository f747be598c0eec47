"""Predicted noise to a gradient. Each method is one short pure function; classifier-free guidance exists once."""
