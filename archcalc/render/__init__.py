"""Reports and lists → text: plain for pipes, rich for terminals, Markdown, LaTeX, HTML, JSON and CSV."""
