"""Scenes of several objects: what a scene's file asks for, editing and placing, collisions, the runs that make it."""
