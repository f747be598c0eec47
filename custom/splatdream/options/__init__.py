"""What values the options of a configuration may take."""
