"""Where we look from: conventions, orbits, sampling, the batch that every other room receives."""
