"""From notebooks to pages: `python -m pipeline` runs the chapters, compares and renders.

notebooks    one notebook on disk: its parameters, its normal form, the stamp that says what computed it
chapters     which notebooks the book has, and running one of them
differences  what a run gave that the committed notebook does not show
browser      Chromium without a window
pdf          the rendered pages as one PDF
__main__     the command
"""
