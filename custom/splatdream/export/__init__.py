"""Files that other programs open: PLY, .splat, PNG, MP4, and a page to turn the asset round in a browser."""
