"""What we look at: a cloud of Gaussians, where it comes from, how its rows change, and the files it is kept in."""
