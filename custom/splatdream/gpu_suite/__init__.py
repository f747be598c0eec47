"""What a GPU does with this package: a suite of parts, each with its JSON, and the page that sums them up."""
