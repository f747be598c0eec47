"""Live view of a running optimization, and of a finished asset."""
