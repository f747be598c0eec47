"""Many runs: what to vary, how to run it, where results are kept, what the report says."""
