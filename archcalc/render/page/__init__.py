"""Reports → one HTML page that needs nothing else: tables, bars, treemaps and graphs."""
