"""The only room where everything meets."""
