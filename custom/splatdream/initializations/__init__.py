"""Where a cloud begins: initializations by name, by the kind of a file, or from an earlier run."""
