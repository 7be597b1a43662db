"""The studio: a recipe's pages in the browser, beside the API; the only home of NiceGUI."""
