"""Images whose cameras are known: photographs, renders of other programs, views that a model has generated."""
