"""What a run makes: the protocol of an asset, those that implement it, and finished ones in files."""
