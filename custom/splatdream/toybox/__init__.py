"""The toybox: procedural objects with known geometry, their captions and their images. For testing and teaching."""
