"""Which host runs, what registers, and how a process begins."""
