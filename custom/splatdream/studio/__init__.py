"""The studio: real runs, steered and watched from a page in the browser (docs/studio.md)."""
