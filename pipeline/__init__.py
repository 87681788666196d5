"""From notebooks to pages: `python -m pipeline` runs the chapters, compares and renders."""
