"""Many runs: a plan, its cells, the workers that make them, measures, the report."""
