"""What `import splatdream` offers in Python beside the building blocks of the rooms (docs/python.md)."""
