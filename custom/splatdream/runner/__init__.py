"""One run: what is asked, by what it is known again, how it is executed, what it left."""
