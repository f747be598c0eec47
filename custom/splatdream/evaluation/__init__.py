"""Numbers about an asset: agreement with known geometry, and what its sides show."""
