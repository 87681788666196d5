"""Every figure of the book: results in, one matplotlib Figure out. One module a chapter, `style` for all of them."""
