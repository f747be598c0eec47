"""Files, memory and the cache folder: what a full disk, a crash or a small machine must not spoil."""
