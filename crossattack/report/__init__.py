"""Reports: results.json in words, as a table and as a page. Nothing here computes a result."""
