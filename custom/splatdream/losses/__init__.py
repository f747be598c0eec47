"""What is asked of a cloud and its pictures besides pleasing the prior."""
