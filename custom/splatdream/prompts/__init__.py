"""Words for views: which texts describe what a batch of cameras sees."""
