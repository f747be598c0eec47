"""The `splatdream` command: one file a verb, each with its parser and what it runs."""
